package event

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// lines are an event of every kind of line, by the name of its golden file.
func lines() map[string]Event {
	full := Event{
		ID: "019abc00-1234-7abc-8def-0123456789ab", Time: time.Date(2026, 11, 24, 7, 20, 31, 123e6, time.UTC),
		Outcome: Success, UserID: "019abc00-1234-7abc-8def-00000000000a", SessionID: "019abc00-1234-7abc-8def-00000000000b",
		PhoneNumber: "+49*********42", PhonePseudonym: "q0vZ8m3xkJw1e5T7yB9c2A", IPAddress: "192.0.2.7",
		UserAgent: "Example/1.0 (测试)", RequestID: "019abc00-1234-7abc-8def-00000000000c",
	}
	of := func(name Name, edit func(*Event)) Event {
		e := full
		e.Name = name
		edit(&e)
		return e
	}
	bare := Event{ID: full.ID, Time: full.Time, Outcome: Success}
	opened := bare
	opened.Name = LogOpened
	opened.Attributes = Attributes{"key_id": "0badcafe", "previous_file": "security-20261123T072031.123Z.log", "previous_lines": int64(7), "previous_chain": "AAAA"}
	torn := bare
	torn.Name = LogRecovered
	torn.Attributes = Attributes{"torn_bytes": int64(17)}
	alert := Event{ID: full.ID, Time: full.Time, Name: Alert, Outcome: Failure, Reason: "events_dropped", Attributes: Attributes{"dropped": int64(3), "sink": "file"}}
	return map[string]Event{
		"successful_login": of(SuccessfulLogin, func(e *Event) { e.Method = "sms" }),
		"failed_login": of(FailedLogin, func(e *Event) {
			e.Outcome, e.Reason, e.Method, e.SessionID = Failure, "wrong_password", "password", ""
		}),
		"account_locked": of(AccountLocked, func(e *Event) {
			e.Outcome, e.Reason, e.SessionID, e.UserID = Failure, "wrong_code", "", ""
			e.Attributes = Attributes{"lock_seconds": int64(900), "failed_attempts": int64(10)}
		}),
		"sms_sent": of(SMSSent, func(e *Event) {
			e.SessionID, e.IPAddress, e.UserAgent = "", "", ""
			e.Attributes = Attributes{"provider": "inbox", "purpose": "login", "resend": true}
		}),
		"token_refreshed": of(TokenRefreshed, func(e *Event) { e.Method = "refresh_token" }),
		"log_opened":      opened,
		"log_recovered":   torn,
		"alert":           alert,
		"empty":           {},
	}
}

func TestGoldenLines(t *testing.T) {
	all := lines()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path := filepath.Join("testdata", name+".golden")
		got := append(Encode(all[name]), '\n')
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s:\n got %swant %s", name, got, want)
		}
	}
}
