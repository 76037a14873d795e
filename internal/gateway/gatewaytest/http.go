package gatewaytest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// NewAcme starts the first provider of docs/gateway-http.md: JSON, and a key.
func NewAcme(tb testing.TB, key string) *Fake {
	return newFake(tb, "api.acme.example", func(r Request, n int) (Answer, error) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			return Answer{}, errors.New("the key is not there")
		}
		if r.Method == http.MethodGet && r.Path == "/v2/balance" {
			return Answer{Status: 200, Body: `{"balance":12.5}`}, nil
		}
		if r.Method != http.MethodPost || r.Path != "/v2/messages" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		var body struct {
			To        string `json:"to"`
			From      string `json:"from"`
			Text      string `json:"text"`
			TTL       int    `json:"ttl"`
			Reference string `json:"reference"`
			Webhook   string `json:"webhook"`
		}
		if err := strictJSON(r, &body); err != nil {
			return Answer{}, err
		}
		if !isE164(body.To) || !isAlphanumeric(body.From) || body.Text == "" || body.TTL < 1 || body.Reference == "" || !isHTTPS(body.Webhook) {
			return Answer{}, fmt.Errorf("a member is none: %+v", body)
		}
		return Answer{Status: 201, Body: fmt.Sprintf(`{"messages":[{"id":"a-%d","parts":1}]}`, 1000+n)}, nil
	})
}

// NewCeylonText starts the second provider of docs/gateway-http.md: a GET, and a
// line of text.
func NewCeylonText(tb testing.TB, password string) *Fake {
	return newFake(tb, "sms.ceylontext.example", func(r Request, n int) (Answer, error) {
		path, query, _ := strings.Cut(r.Path, "?")
		if r.Method == http.MethodHead && path == "/" && query == "" {
			return Answer{Status: 404}, nil
		}
		q, err := url.ParseQuery(query)
		if r.Method != http.MethodGet || path != "/send" || err != nil {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		for name, value := range q {
			if !oneOf("u", "p", "to", "from", "msg", "coding", "dlr")(name) || len(value) != 1 {
				return Answer{}, fmt.Errorf("the parameter %s is %q", name, value)
			}
		}
		switch ascii := utf8.RuneCountInString(q.Get("msg")) == len(q.Get("msg")); {
		case q.Get("u") != "acme" || q.Get("p") != password:
			return Answer{}, errors.New("the password is not there")
		case !isDigits(q.Get("to")) || q.Get("from") == "" || q.Get("msg") == "" || !isHTTPS(q.Get("dlr")):
			return Answer{}, fmt.Errorf("a parameter is none: %v", q)
		case !oneOf("0", "8")(q.Get("coding")) || ascii && q.Get("coding") == "8":
			return Answer{}, fmt.Errorf("coding is %q", q.Get("coding"))
		}
		return Answer{Status: 200, Body: fmt.Sprintf("OK %d\n", 1000+n)}, nil
	})
}
