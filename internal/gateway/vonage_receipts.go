package gateway

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/countersign/countersign/internal/keyring"
)

var vonageStates = map[string]State{
	"submitted": StateSent, "delivered": StateDelivered, "read": StateDelivered,
	"rejected": StateUndelivered, "undeliverable": StateFailed,
}

// vonageTooLate is the code of a message whose life was over.
const vonageTooLate = "1360"

// Receipts reads one status report, which a JWT vouches for.
func (v *vonage) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if v.Value("signature_secret") == "" {
		return nil, ErrNoReceipts
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	if !v.signed(c) {
		return nil, ErrForged
	}
	var report struct {
		ID        string        `json:"message_uuid"`
		ClientRef string        `json:"client_ref"`
		Status    string        `json:"status"`
		At        string        `json:"timestamp"`
		Error     vonageProblem `json:"error"`
		Usage     struct {
			Price    string `json:"price"`
			Currency string `json:"currency"`
		} `json:"usage"`
	}
	if json.Unmarshal(c.Body, &report) != nil || !keyring.ValidID(report.ID) {
		return nil, errReceipt
	}
	state, code := stateOf(vonageStates, report.Status), report.Error.code()
	if state == StateUndelivered && code == vonageTooLate {
		state = StateExpired
	}
	return []Receipt{{
		MessageID: ourID(report.ClientRef), ProviderRef: report.ID, State: state, Code: code,
		Class: classOfReceipt(state, vonageCodes, code), At: timeOf(report.At),
		Cost: priceOf(report.Usage.Price, report.Usage.Currency),
	}}, nil
}

// signed tells whether the account vouches for the body, within the last minutes.
func (v *vonage) signed(c Callback) bool {
	token, bearer := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	var claims struct {
		Issuer   string      `json:"iss"`
		Key      string      `json:"api_key"`
		IssuedAt json.Number `json:"iat"`
		Hash     string      `json:"payload_hash"`
	}
	return bearer && v.hmacClaims(token, &claims, []string{"HS256"}, "signature_secret", "signature_secret_previous") &&
		claims.Issuer == "Vonage" && claims.Key == v.Value("api_key") &&
		fresh(claims.IssuedAt.String(), c.Now) && isHash(claims.Hash, c.Body)
}
