package admin_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect/admin"
)

func (h *house) list(path, bearer string) admin.MessageList {
	h.t.Helper()
	method := http.MethodGet
	if strings.HasSuffix(path, "search") {
		method = http.MethodPost
	}
	w := h.call(method, path, bearer)
	var list admin.MessageList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return list
}

// A message's whole way is told: who was asked and why, what they said, how it stands.
func TestMessagesTellTheirWay(t *testing.T) {
	h, ctx := newHouse(t), context.Background()
	_, key := h.key("support", 0, core.ScopeMessagesRead)
	m := h.message(alice, h.now)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try := func(provider, why string, end core.SettleMessage) {
		t.Helper()
		claimed, err := h.store.ClaimMessages(ctx, core.ClaimMessages{Claim: core.Claim{Holder: "h", Limit: 1, Lease: time.Minute, Now: h.now}})
		must(err)
		if len(claimed.Messages) != 1 {
			t.Fatalf("claimed %+v", claimed)
		}
		must(h.store.BeginAttempts(ctx, core.BeginAttempts{Holder: "h", Now: h.now, Attempts: []core.BeginAttempt{{MessageID: m.ID, Provider: provider, Why: why}}}))
		end.ID, end.Holder, end.Provider, end.Now = m.ID, "h", provider, h.now
		_, err = h.store.SettleMessage(ctx, end)
		must(err)
	}
	try("acme", "first of the list", core.SettleMessage{State: core.MessageQueued, RetryAt: h.now, Failure: "failover", Code: "30007"})
	try("other", "acme refused it", core.SettleMessage{State: core.MessageSent, ProviderRef: "ref-1"})
	must(h.core.RecordReceipts(ctx, "other", []core.ReceiptIn{{Ref: "ref-1", State: core.DeliveryUndelivered, Code: "absent", At: h.now}}))

	w := h.call("GET", "/admin/v1/messages/"+m.ID, key)
	newChecker(t).answer(t, "GET", "/admin/v1/messages/{id}", w)
	var got admin.Message
	must(json.Unmarshal(w.Body.Bytes(), &got))
	if got.State != "undelivered" || !strings.Contains(got.Why, "did not arrive") || got.Tries != 2 || got.Price != "0.0075" || got.Currency != "USD" ||
		*got.Provider != "other" || *got.RequestID != m.RequestID || len(got.Attempts) != 2 {
		t.Errorf("%s", w.Body)
	}
	first, second := got.Attempts[0], got.Attempts[1]
	if *first.Failure != "failover" || *first.Code != "30007" || first.Why != "first of the list" || second.Failure != nil ||
		*second.ProviderRef != "ref-1" || len(second.States) != 1 || second.States[0].State != "undelivered" || *second.States[0].Code != "absent" {
		t.Errorf("%s", w.Body)
	}
	if strings.Contains(w.Body.String(), alice) || strings.Contains(w.Body.String(), m.ChallengeID) {
		t.Errorf("a whole number, or a challenge's id: %s", w.Body)
	}
	if w := h.call("GET", "/admin/v1/messages/"+m.ChallengeID, key); w.Code != http.StatusNotFound {
		t.Errorf("of no message: %d", w.Code)
	}
}

func TestMessagesAreFound(t *testing.T) {
	h := newHouse(t)
	_, key := h.key("support", 0, core.ScopeMessagesRead)
	var made []core.Message
	for i := range 5 {
		made = append(made, h.message([]string{alice, bob}[i%2], h.now.Add(time.Duration(i)*time.Second)))
	}
	since := url.QueryEscape(made[3].CreatedAt.Format(time.RFC3339))
	for path, want := range map[string]string{
		"/admin/v1/messages":                               "4 3 2 1 0",
		"/admin/v1/messages?request_id=request-01":         "3 1",
		"/admin/v1/messages?state=sent":                    "",
		"/admin/v1/messages?state=queued&limit=2":          "4 3",
		"/admin/v1/messages?provider=acme":                 "",
		"/admin/v1/messages?user_id=nobody":                "",
		"/admin/v1/messages?since=" + since:                "4 3",
		"/admin/v1/messages?until=" + since + "&limit=200": "2 1 0",
		"/admin/v1/messages/search":                        "4 2 0", // of alice's
	} {
		var got []string
		for _, m := range h.list(path, key).Messages {
			for i := range made {
				if made[i].ID == m.ID {
					got = append(got, string(rune('0'+i)))
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	seen, pages := 0, 0
	for cursor := ""; pages < 10; pages++ {
		page := h.list("/admin/v1/messages?limit=2&cursor="+cursor, key)
		seen += len(page.Messages)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if seen != 5 || pages != 2 {
		t.Errorf("%d messages on %d pages and one", seen, pages)
	}
	check := newChecker(t)
	for _, wrong := range []string{"limit=0", "limit=201", "limit=x", "state=lost", "since=yesterday", "cursor=AAAA", "cursor=" + made[0].ID} {
		w := h.call("GET", "/admin/v1/messages?"+wrong, key)
		check.answer(t, "GET", "/admin/v1/messages", w)
		if name, _, _ := strings.Cut(wrong, "="); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "query."+name) {
			t.Errorf("%s: %d %s", wrong, w.Code, w.Body)
		}
	}
}
