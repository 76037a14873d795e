package event

import "testing"

func TestAccountEventsAreNotTraffic(t *testing.T) {
	for _, n := range []Name{SignupStarted, FailedLogin, AccountLocked, SMSSent, KeyRotated, AccountDeleted} {
		if !n.Account() {
			t.Errorf("%s is not an account event", n)
		}
	}
	for _, n := range []Name{TokenRefreshed, RateLimited, Alert, LogOpened, LogRecovered, ServerStarted} {
		if n.Account() {
			t.Errorf("%s is an account event", n)
		}
	}
}
