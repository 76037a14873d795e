package gatewaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// sinchBatch has the members of a sending.
type sinchBatch struct {
	From      string   `json:"from"`
	To        []string `json:"to"`
	Body      string   `json:"body"`
	Type      string   `json:"type"`
	Report    string   `json:"delivery_report"`
	Callback  string   `json:"callback_url"`
	Reference string   `json:"client_reference"`
	ExpireAt  string   `json:"expire_at"`
	MaxParts  *int     `json:"max_number_of_message_parts"`
}

// NewSinch starts Sinch's SMS API of a region for a service plan.
func NewSinch(tb testing.TB, region, plan, token string) *Fake {
	return newFake(tb, region+".sms.api.sinch.com", func(r Request, n int) (Answer, error) {
		var b sinchBatch
		if r.Method != http.MethodPost || r.Path != "/xms/v1/"+plan+"/batches" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := strictJSON(r, &b); err != nil {
			return Answer{}, err
		}
		switch {
		case r.Header.Get("Authorization") != "Bearer "+token:
			return Answer{Status: 401}, nil
		case len(b.To) == 0 && b.Body == "":
			return Answer{Status: 400, Body: `{"code":"syntax_constraint_violation","text":"no"}`}, nil
		}
		body, err := json.Marshal(map[string]any{
			"id": fmt.Sprintf("01F%023X", n), "to": b.To, "from": b.From, "canceled": false, "body": b.Body,
			"created_at": "2026-01-02T03:04:05.678Z",
		})
		if err != nil {
			return Answer{}, err
		}
		return Answer{Status: 201, Body: string(body)}, b.allowed()
	})
}

func (b sinchBatch) allowed() error {
	_, err := time.Parse(time.RFC3339, b.ExpireAt)
	switch {
	case !isDigits(b.From) && !isAlphanumeric(b.From) && !isE164(b.From):
		return fmt.Errorf("from is %q", b.From)
	case len(b.To) != 1 || !isE164(b.To[0]):
		return errors.New("to is not one number with its plus")
	case b.Body == "" || b.Type != "mt_text":
		return errors.New("body or type is not right")
	case b.ExpireAt != "" && err != nil:
		return fmt.Errorf("expire_at: %w", err)
	case b.Report != "" && b.Report != "per_recipient", b.Callback != "" && (!isHTTPS(b.Callback) || b.Report == ""):
		return errors.New("callback_url or delivery_report is not right")
	case b.MaxParts != nil && *b.MaxParts < 1:
		return errors.New("max_number_of_message_parts is not right")
	}
	return nil
}
