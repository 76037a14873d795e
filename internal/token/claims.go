package token

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fixedClaims are the parts of a payload that are the same in every token.
type fixedClaims struct {
	start    []byte // `{"iss":…,"aud":…`
	clientID []byte // as JSON
}

func newFixedClaims(s Settings) (fixedClaims, error) {
	if s.Issuer == "" || s.Audience == "" || s.ClientID == "" {
		return fixedClaims{}, fmt.Errorf("tokens: issuer %q, audience %q and client id %q must all be set", s.Issuer, s.Audience, s.ClientID)
	}
	var w claimWriter
	w.text(`{"iss":`, s.Issuer)
	w.text(`,"aud":`, s.Audience)
	start := w.out
	w.out = nil
	w.text("", s.ClientID)
	if w.err != nil {
		return fixedClaims{}, fmt.Errorf("tokens: issuer, audience or client id: %w", w.err)
	}
	return fixedClaims{start: start, clientID: w.out}, nil
}

// appendClaims writes a's payload by hand: one buffer, no reflection.
func (f fixedClaims) appendClaims(out []byte, a Access) ([]byte, error) {
	w := claimWriter{out: append(out, f.start...)}
	w.text(`,"sub":`, a.Subject)
	w.time(`,"exp":`, a.ExpiresAt)
	w.time(`,"iat":`, a.IssuedAt)
	w.text(`,"jti":`, a.ID)
	if a.ClientID == "" {
		w.out = append(append(w.out, `,"client_id":`...), f.clientID...)
	} else {
		w.text(`,"client_id":`, a.ClientID)
	}
	w.text(`,"sid":`, a.SessionID)
	w.time(`,"auth_time":`, a.AuthTime)
	w.text(`,"acr":`, a.ACR)
	w.list(`,"amr":`, a.AMR)
	if a.Thumbprint != "" {
		w.text(`,"cnf":{"jkt":`, a.Thumbprint)
		w.out = append(w.out, '}')
	}
	if a.PhoneNumber != "" {
		w.text(`,"phone_number":`, a.PhoneNumber)
		w.out = append(w.out, `,"phone_number_verified":true`...) // no other accounts exist
	}
	return append(w.out, '}'), w.err
}

type claimWriter struct {
	out []byte
	err error
}

func (w *claimWriter) text(name, value string) {
	out, err := jsontext.AppendQuote(append(w.out, name...), value)
	if err != nil && w.err == nil {
		w.err = err // not UTF-8
	}
	w.out = out
}

func (w *claimWriter) time(name string, value time.Time) {
	w.out = strconv.AppendInt(append(w.out, name...), value.Unix(), 10)
}

func (w *claimWriter) list(name string, values []string) {
	w.out = append(append(w.out, name...), '[')
	for i, value := range values {
		comma := ""
		if i > 0 {
			comma = ","
		}
		w.text(comma, value)
	}
	w.out = append(w.out, ']')
}

// claims is a payload as it is read. Members we do not know are passed over: a
// newer instance may already write them.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Expires  *int64   `json:"exp"`
	Issued   *int64   `json:"iat"`
	ID       string   `json:"jti"`
	ClientID string   `json:"client_id"`
	Session  string   `json:"sid"`
	AuthTime *int64   `json:"auth_time"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	Bound    struct {
		Thumbprint string `json:"jkt"`
	} `json:"cnf"`
	PhoneNumber string `json:"phone_number"`
}

// parseClaims reads a payload: exact issuer and audience, all required members,
// none twice, exact case, UTF-8 (json/v2 refuses the rest).
func parseClaims(payload []byte, s Settings) (Access, bool) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return Access{}, false
	}
	if c.Issuer != s.Issuer || c.Audience != s.Audience || c.Expires == nil || c.Issued == nil || c.AuthTime == nil ||
		c.Subject == "" || c.Session == "" || c.ID == "" || c.ClientID == "" {
		return Access{}, false
	}
	return Access{
		Subject: c.Subject, SessionID: c.Session, ID: c.ID, ClientID: c.ClientID,
		AuthTime: time.Unix(*c.AuthTime, 0).UTC(), IssuedAt: time.Unix(*c.Issued, 0).UTC(), ExpiresAt: time.Unix(*c.Expires, 0).UTC(),
		ACR: c.ACR, AMR: c.AMR, Thumbprint: c.Bound.Thumbprint, PhoneNumber: c.PhoneNumber,
	}, true
}
