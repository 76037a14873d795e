package pages

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

const (
	one   = "+14155550100"
	other = "+491701234567"
)

func at(second int) time.Time {
	return time.Date(2026, 11, 24, 7, 20, second, 123e6, time.UTC)
}

// filled is an inbox of three messages, the newest to one, and a number that
// got none because nobody has it.
func filled(t *testing.T) http.Handler {
	t.Helper()
	inbox := gateway.NewInbox(10)
	for i, m := range []gateway.Message{
		{ID: "a", To: number(t, one), Body: "Acme: 111111 is your code", Purpose: "signup", ChallengeID: "c-a"},
		{ID: "b", To: number(t, other), Body: "Acme: 222222 is your code", Purpose: "login", ChallengeID: "c-b"},
		{ID: "c", To: number(t, one), Body: "Acme: 333333 is your code\n@acme.example #333333", Purpose: "password_reset", ChallengeID: "c-c"},
	} {
		m.CreatedAt = at(i)
		if _, err := inbox.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	withheld := func(_ context.Context, to string) ([]core.Message, error) {
		if to != other {
			return nil, nil
		}
		return []core.Message{{ID: "w", ChallengeID: "c-w", Purpose: "login", CreatedAt: at(9), State: core.MessageWithheld}}, nil
	}
	return New(Options{Inbox: inbox, Withheld: withheld, DefaultRegion: "DE"})
}

func number(t *testing.T, e164 string) phone.Number {
	t.Helper()
	n, err := phone.FromE164(e164)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestInboxJSONIsExactlyTheContract(t *testing.T) {
	got := ask(t, filled(t), "GET", "/dev/inbox?to=%2B14155550100")
	want := `[{"to":"+14155550100","body":"Acme: 333333 is your code\n@acme.example #333333","created_at":"2026-11-24T07:20:02.123Z","purpose":"password_reset","challenge_id":"c-c"},` +
		`{"to":"+14155550100","body":"Acme: 111111 is your code","created_at":"2026-11-24T07:20:00.123Z","purpose":"signup","challenge_id":"c-a"}]`
	if diff := cmp.Diff(want, strings.TrimSpace(got.body)); diff != "" {
		t.Error(diff)
	}
	headers := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "Vary": "Accept"}
	for name, value := range headers {
		if got.Header.Get(name) != value {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
}

func TestInboxListsAllNewestFirstWithoutANumber(t *testing.T) {
	for _, target := range []string{"/dev/inbox", "/dev/inbox?to="} {
		got := ask(t, filled(t), "GET", target).body
		c, b, a := strings.Index(got, "333333"), strings.Index(got, "222222"), strings.Index(got, "111111")
		if c < 0 || c > b || b > a {
			t.Errorf("%s: %s", target, got)
		}
	}
	if got := ask(t, development(), "GET", "/dev/inbox").body; strings.TrimSpace(got) != "[]" {
		t.Errorf("an empty inbox answers %q", got)
	}
}

func TestInboxReadsNumbersAsPeopleTypeThem(t *testing.T) {
	for _, to := range []string{"+14155550100", "%2B1%20415-555-0100"} {
		if got := ask(t, filled(t), "GET", "/dev/inbox?to="+to).body; strings.Count(got, `"to"`) != 2 {
			t.Errorf("to=%s: %s", to, got)
		}
	}
	if got := ask(t, filled(t), "GET", "/dev/inbox?to=0170%201234567").body; strings.Count(got, `"to"`) != 1 {
		t.Errorf("in the default region: %s", got)
	}
	got := ask(t, filled(t), "GET", "/dev/inbox?to=nonsense")
	if got.StatusCode != 422 || !strings.Contains(got.body, `"invalid_phone_number"`) || !strings.Contains(got.body, `"query.to"`) {
		t.Errorf("nonsense: %d %s", got.StatusCode, got.body)
	}
	page := ask(t, filled(t), "GET", "/dev/inbox?to=%3Cb%3E", "Accept", "text/html")
	if page.StatusCode != 422 || !strings.Contains(page.body, `role="alert"`) || !strings.Contains(page.body, `value="&lt;b&gt;"`) {
		t.Errorf("nonsense as a page: %d %s", page.StatusCode, page.body)
	}
}

func TestInboxPageIsForWhoNamesHTML(t *testing.T) {
	for accept, page := range map[string]bool{
		"":    false,
		"*/*": false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"TEXT/HTML; charset=utf-8":                                        true,
		"application/json, text/html;q=0.5":                               false,
		"application/json;q=0.2, text/html;q=0.5":                         true,
		"text/html;q=0":        false,
		"text/html;q=nonsense": false,
		"application/json":     false,
		"text/*":               false,
		"application/json, text/plain, */*; q=0.01": false,
	} {
		got := ask(t, filled(t), "GET", "/dev/inbox", "Accept", accept).Header.Get("Content-Type")
		if (got == "text/html; charset=utf-8") != page {
			t.Errorf("Accept %q gets %s", accept, got)
		}
	}
}

func TestInboxPageShowsCodesLarge(t *testing.T) {
	got := ask(t, filled(t), "GET", "/dev/inbox?to=%2B14155550100", "Accept", "text/html").body
	for _, part := range []string{`data-code="333333"`, `data-challenge="c-c"`, "password reset", "07:20:02 UTC", `value="+14155550100"`} {
		if !strings.Contains(got, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(got, "222222") {
		t.Error("the page shows another number's message")
	}
}

func TestCodeIsFoundWhereAPhoneFindsIt(t *testing.T) {
	for text, want := range map[string]string{
		"Acme 2000000: 012345 is your code.\n\n@acme.example #012345": "012345",
		"12345678 is your code":                           "12345678",
		"Your password was changed at 07:20. Call 12345.": "",
		"": "",
	} {
		if got := codeIn(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

const nothingSent = "nothing was sent: no account has this number"

func TestWithheldMessagesAreToldOnThePageOnly(t *testing.T) {
	h := filled(t)
	asked := "/dev/inbox?to=%2B491701234567"
	page := ask(t, h, "GET", asked, "Accept", "text/html").body
	if told, sent := strings.Index(page, nothingSent), strings.Index(page, "222222"); told < 0 || told > sent {
		t.Errorf("the page does not tell, newest first, that nothing was sent: %s", page)
	}
	if object := ask(t, h, "GET", asked).body; strings.Contains(object, "c-w") || strings.Count(object, `"to"`) != 1 {
		t.Errorf("the JSON tells of a withheld message: %s", object)
	}
	for _, elsewhere := range []string{"/dev/inbox", "/dev/inbox?to=%2B14155550100"} {
		if strings.Contains(ask(t, h, "GET", elsewhere, "Accept", "text/html").body, nothingSent) {
			t.Errorf("%s tells of another number's withheld message", elsewhere)
		}
	}
}

func TestWithheldFailureIsAProblem(t *testing.T) {
	h := New(Options{
		Inbox: gateway.NewInbox(1),
		Withheld: func(context.Context, string) ([]core.Message, error) {
			return nil, &core.Error{Code: core.CodeUnavailable, Cause: errors.New("disk")}
		},
	})
	got := ask(t, h, "GET", "/dev/inbox?to=%2B14155550100", "Accept", "text/html")
	if got.StatusCode != 503 || strings.Contains(got.body, "disk") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestC95InboxEscapesEverything(t *testing.T) {
	const hostile = `"><img src=x onerror=alert(1)>'<script>`
	inbox := gateway.NewInbox(1)
	message := gateway.Message{
		ID: "1" + hostile, To: number(t, one), Body: keyring.Secret(hostile), Purpose: hostile, ChallengeID: hostile, CreatedAt: at(0),
	}
	if _, err := inbox.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	withheld := func(context.Context, string) ([]core.Message, error) {
		return []core.Message{{ID: hostile, ChallengeID: hostile, Purpose: hostile, CreatedAt: at(1)}}, nil
	}
	h := New(Options{Inbox: inbox, Withheld: withheld})
	for _, target := range []string{"/dev/inbox", "/dev/inbox?to=%2B14155550100", "/dev/inbox?to=%22%3E%3Cimg%20onerror%3D1%3E"} {
		page := ask(t, h, "GET", target, "Accept", "text/html").body
		if strings.Contains(page, "<img src=x") || strings.Contains(page, "<img onerror") || strings.Contains(page, "<script>") {
			t.Errorf("%s: %s", target, page)
		}
	}
	if !strings.Contains(ask(t, h, "GET", "/dev/inbox", "Accept", "text/html").body, "&lt;img src=x onerror=alert(1)&gt;") {
		t.Error("the message is not shown as it was sent")
	}
}
