package server

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// The running server refuses at once what a command beside it has ended (C-35).
func TestC35EndAllBesideARunningServer(t *testing.T) {
	const number = "+14155550100"
	c := settings(t, t.TempDir(), "TEST_NUMBERS="+number+"=123456")
	s := start(t, c, Options{})
	base := "http://" + s.Addr()
	type set struct {
		ChallengeID  string `json:"challenge_id"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	post := func(path, body string, want int) (got set) {
		t.Helper()
		answer, text := call(t, "POST", base+path, body)
		if answer.StatusCode != want {
			t.Fatalf("%s: %d, want %d: %s", path, answer.StatusCode, want, text)
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	begin := func() string {
		t.Helper()
		return post("/v1/signup", `{"phone_number":"`+number+`"}`, 202).ChallengeID
	}
	me := func(access string) int {
		t.Helper()
		answer, _ := call(t, "GET", base+"/v1/me", "", "Authorization", "Bearer "+access)
		return answer.StatusCode
	}
	before := post("/v1/challenges/"+begin()+"/verify", `{"code":"123456"}`, 200)
	pending := begin()
	if status := me(before.AccessToken); status != 200 {
		t.Fatalf("before: %d", status)
	}

	var out bytes.Buffer
	if err := EndAllSessions(t.Context(), c, "theft", &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "made up to 2") {
		t.Errorf("it does not tell the time: %s", &out)
	}
	if status := me(before.AccessToken); status != 401 {
		t.Errorf("an access token of before: %d, want 401", status)
	}
	post("/v1/token/refresh", `{"refresh_token":"`+before.RefreshToken+`"}`, 401)
	post("/v1/challenges/"+pending+"/verify", `{"code":"123456"}`, 410)

	after := post("/v1/challenges/"+begin()+"/verify", `{"code":"123456"}`, 200)
	if status := me(after.AccessToken); status != 200 {
		t.Errorf("a session of after: %d, want 200", status)
	}
}
