package server

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A command beside the running server, which sees it at once.
func TestUserBesideARunningServer(t *testing.T) {
	const number = "+14155550100"
	c := settings(t, t.TempDir(), "TEST_NUMBERS="+number+"=123456")
	s := start(t, c, Options{})
	base := "http://" + s.Addr()

	_, text := call(t, "POST", base+"/v1/signup", `{"phone_number":"`+number+`"}`)
	var challenge struct {
		ID string `json:"challenge_id"`
	}
	var set struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(text), &challenge); err != nil {
		t.Fatal(err)
	}
	_, text = call(t, "POST", base+"/v1/challenges/"+challenge.ID+"/verify", `{"code":"123456"}`)
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		t.Fatal(err)
	}

	act := func(act UserAct, number string) (string, error) {
		var out bytes.Buffer
		err := User(t.Context(), c, act, number, "abuse", &out)
		return out.String(), err
	}
	if out, err := act(UserShow, number); err != nil || !strings.Contains(out, number) {
		t.Errorf("show: %q, %v", out, err)
	}
	if _, err := act(UserDisable, number); err != nil {
		t.Errorf("disable: %v", err)
	}
	if answer, _ := call(t, "GET", base+"/v1/me", "", "Authorization", "Bearer "+set.AccessToken); answer.StatusCode != 401 {
		t.Errorf("a disabled user's call: %d, want 401", answer.StatusCode)
	}
	if _, err := act(UserEnable, number); err != nil {
		t.Errorf("enable: %v", err)
	}
	if _, err := act(UserUnlock, number); err != nil {
		t.Errorf("unlock: %v", err)
	}
	if _, err := act(UserShow, "+14155550101"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an unknown number: %v", err)
	}
	if _, err := act(UserShow, "hello"); err == nil || !strings.Contains(err.Error(), "no phone number") {
		t.Errorf("no number: %v", err)
	}

	// The running server carries the events of it into its log.
	told := regexp.MustCompile(`"event":"account_disabled".*"reason":"abuse"`)
	deadline := time.Now().Add(10 * time.Second)
	for !told.Match(readLog(t, c.DataDir)) {
		if time.Now().After(deadline) {
			t.Fatal("the security log does not tell of it")
		}
		time.Sleep(10 * time.Millisecond) // another process's commit hints at nothing: the server polls
	}
}

func readLog(t *testing.T, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
