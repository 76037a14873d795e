package native_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
)

// The whole of the API, one call after the other; each answer is checked
// against the OpenAPI document as it comes.
func TestStory(t *testing.T) {
	h := newHouse(t)
	ch := h.begin("/v1/signup", "", `{"phone_number":"+1 415-555-0100","password":"`+goodPassword+`","name":"Alice","email":"alice@example.com","locale":"de",
		"device":{"id":"d1","name":"Phone","platform":"ios","token":"nonsense"},"channel":"sms","captcha":{"type":"pow","token":"x"}}`)
	if ch.Purpose != "signup" || ch.Channel != "sms" || ch.CodeLength != 6 || ch.ResendAt == nil || !ch.ExpiresAt.Equal(h.clock().Add(10*time.Minute)) {
		t.Errorf("challenge %+v", ch)
	}
	h.pass(time.Minute)
	again := read[native.Challenge](t, h.call(202, "POST", "/v1/challenges/"+ch.ChallengeID+"/resend", "", `{}`))
	if again.ChallengeID != ch.ChallengeID || !again.ExpiresAt.Equal(ch.ExpiresAt) || !again.ResendAt.After(*ch.ResendAt) {
		t.Errorf("resent %+v", again)
	}
	code := h.code(ch.ChallengeID)
	h.call(401, "POST", "/v1/challenges/"+ch.ChallengeID+"/verify", "", `{"code":"`+wrong(code)+`"}`)
	w := h.call(200, "POST", "/v1/challenges/"+ch.ChallengeID+"/verify", "", `{"code":" `+code[:3]+`-`+code[3:]+` "}`)
	first := read[native.TokenSet](t, w)
	if first.TokenType != "Bearer" || first.ExpiresIn != 300 || !first.Created || first.DeviceToken == "" ||
		first.User.PhoneNumber != alice || *first.User.Name != "Alice" || !first.User.HasPassword {
		t.Errorf("token set %s", w.Body)
	}

	second := read[native.TokenSet](t, h.call(200, "POST", "/v1/login/password", "",
		`{"phone_number":"`+alice+`","password":"`+goodPassword+`","device":{"id":"d2","token":"`+first.DeviceToken+`"}}`))
	if second.Created || second.DeviceToken == "" || second.SessionID == first.SessionID {
		t.Errorf("second sign-in %+v", second)
	}
	third := read[native.TokenSet](t, h.call(200, "POST", "/v1/token/refresh", "", `{"refresh_token":"`+second.RefreshToken+`"}`))
	if third.DeviceToken != "" || third.RefreshToken == second.RefreshToken || third.SessionID != second.SessionID {
		t.Errorf("refreshed %+v", third)
	}

	bearer := third.AccessToken
	list := read[native.SessionList](t, h.call(200, "GET", "/v1/sessions", bearer, ""))
	if len(list.Sessions) != 2 {
		t.Fatalf("%d sessions, want 2", len(list.Sessions))
	}
	for _, s := range list.Sessions {
		if s.Current != (s.ID == second.SessionID) {
			t.Errorf("session %+v", s)
		}
	}
	changed := read[native.User](t, h.call(200, "PATCH", "/v1/me", bearer, `{"name":"Alice B.","email":""}`))
	if *changed.Name != "Alice B." || changed.Email != nil || *changed.Locale != "de" {
		t.Errorf("changed %+v", changed)
	}
	h.call(204, "POST", "/v1/me/password", bearer, `{"current_password":"`+goodPassword+`","new_password":"another good one 99"}`)
	if got := h.call(401, "GET", "/v1/me", first.AccessToken, ""); !strings.Contains(got.Header().Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("the first session after a password change: %v", got.Header())
	}
	h.call(200, "POST", "/v1/me/reauthenticate", bearer, `{"password":"another good one 99"}`)
	proof := h.begin("/v1/me/reauthenticate", bearer, `{}`)
	h.call(200, "POST", "/v1/challenges/"+proof.ChallengeID+"/verify", bearer, `{"code":"`+h.code(proof.ChallengeID)+`"}`)
	move := h.begin("/v1/me/phone-number", bearer, `{"phone_number":"`+bob+`"}`)
	moved := read[native.User](t, h.call(200, "POST", "/v1/challenges/"+move.ChallengeID+"/verify", bearer, `{"code":"`+h.code(move.ChallengeID)+`"}`))
	if moved.PhoneNumber != bob {
		t.Errorf("moved %+v", moved)
	}

	reset := h.begin("/v1/password/reset", "", `{"phone_number":"`+bob+`"}`)
	fresh := read[native.TokenSet](t, h.call(200, "POST", "/v1/challenges/"+reset.ChallengeID+"/verify", "",
		`{"code":"`+h.code(reset.ChallengeID)+`","new_password":"the third good one 42"}`))
	login := h.begin("/v1/login/sms", "", `{"phone_number":"`+bob+`"}`)
	other := read[native.TokenSet](t, h.call(200, "POST", "/v1/challenges/"+login.ChallengeID+"/verify", "", `{"code":"`+h.code(login.ChallengeID)+`"}`))
	h.call(204, "DELETE", "/v1/sessions/"+other.SessionID, fresh.AccessToken, "")
	h.call(401, "GET", "/v1/me", other.AccessToken, "")
	page := read[eventPage](t, h.call(200, "GET", "/v1/me/events?limit=3", fresh.AccessToken, ""))
	if len(page.Events) != 3 || page.NextCursor == nil {
		t.Fatalf("a page of %d events, next %v", len(page.Events), page.NextCursor)
	}
	h.call(200, "GET", "/v1/me/events?cursor="+*page.NextCursor, fresh.AccessToken, "")
	h.call(204, "POST", "/v1/logout", fresh.AccessToken, "")
	h.call(401, "GET", "/v1/me", fresh.AccessToken, "")

	last := read[native.TokenSet](t, h.call(200, "POST", "/v1/login/password", "", `{"phone_number":"`+bob+`","password":"the third good one 42"}`))
	h.call(204, "DELETE", "/v1/me", last.AccessToken, "")
	h.call(401, "POST", "/v1/token/refresh", "", `{"refresh_token":"`+last.RefreshToken+`"}`)
}

func TestIdempotencyOverHTTP(t *testing.T) {
	h := newHouse(t)
	send := func(path, body string) (int, string) {
		r := request("POST", path, "", body)
		r.Header.Set("Idempotency-Key", "key-1")
		w := h.send(r)
		return w.Code, w.Body.String()
	}
	_, first := send("/v1/signup", `{"phone_number":"`+alice+`"}`)
	status, again := send("/v1/signup", `{"phone_number":"`+alice+`"}`)
	if status != 202 || again != first || len(h.messages()) != 1 {
		t.Errorf("%d messages; %s, then %s", len(h.messages()), first, again)
	}
	if status, body := send("/v1/signup", `{"phone_number":"`+bob+`"}`); status != 422 || !strings.Contains(body, "idempotency_conflict") {
		t.Errorf("another body: %d %s", status, body)
	}
	id := uuid.FindString(first)
	body := `{"code":"` + h.code(id) + `"}`
	_, one := send("/v1/challenges/"+id+"/verify", body)
	_, two := send("/v1/challenges/"+id+"/verify", body)
	if a, b := refreshOf(one), refreshOf(two); a == "" || a != b {
		t.Errorf("the second answer has another refresh token: %s, then %s", one, two)
	}
}

// eventPage is a page of events as a client reads it.
type eventPage struct {
	Events     []map[string]any `json:"events"`
	NextCursor *string          `json:"next_cursor"`
}

func refreshOf(body string) string {
	_, rest, _ := strings.Cut(body, `"refresh_token":"`)
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// C-70: the challenge's number of ASCII digits, blanks and hyphens between
// them; all else is 422 and costs no guess.
func TestC70Codes(t *testing.T) {
	h := newHouse(t)
	ch := h.begin("/v1/signup", "", `{"phone_number":"`+alice+`"}`)
	verify := "/v1/challenges/" + ch.ChallengeID + "/verify"
	for _, bad := range []string{"", "12345", "1234567", "١٢٣٤٥٦", "１２３４５６", "12345a", "12.345", "+12345", "123456\\n", "123_456"} {
		w := h.call(422, "POST", verify, "", `{"code":"`+bad+`"}`)
		if p := read[dialect.Problem](t, w); len(p.Errors) != 1 || p.Errors[0].Location != "body.code" {
			t.Errorf("%q: %s", bad, w.Body)
		}
	}
	code := h.code(ch.ChallengeID)
	if p := read[dialect.Problem](t, h.call(401, "POST", verify, "", `{"code":"`+wrong(code)+`"}`)); *p.AttemptsLeft != 4 {
		t.Errorf("%d guesses left, want 4", *p.AttemptsLeft)
	}
	h.call(200, "POST", verify, "", `{"code":"`+strings.Join(strings.Split(code, ""), " ")+`"}`)
}
