package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// errInjected is what the tests' faults are.
var errInjected = errors.New("injected")

// faults fails the store at one step, the times-th time that it is reached.
type faults struct {
	step  string
	times int
}

func (f *faults) at(step string) error {
	if step != f.step {
		return nil
	}
	f.times--
	if f.times == 0 {
		f.step = ""
		return errInjected
	}
	return nil
}

// operations prepares each kind of operation that writes in more than one
// place, each on an account of its own.
func operations(t *testing.T, s *Store, m *maker) map[string]func() error {
	number := m.id
	signup := m.challenge(core.PurposeSignup, number())
	if _, err := s.OpenChallenge(t.Context(), m.opening(signup)); err != nil {
		t.Fatal(err)
	}
	login, reset, change, reauth := account(t, s, m, number()), account(t, s, m, number()), account(t, s, m, number()), account(t, s, m, number())
	wrong := begun(t, s, m, core.PurposeLogin, login, login.User.Phone.Key)
	right := begun(t, s, m, core.PurposeLogin, login, login.User.Phone.Key)
	resetting := begun(t, s, m, core.PurposePasswordReset, reset, reset.User.Phone.Key)
	changing := begun(t, s, m, core.PurposePhoneChange, change, number())
	proving := begun(t, s, m, core.PurposeReauthentication, reauth, reauth.User.Phone.Key)
	resent := begun(t, s, m, core.PurposeLogin, reauth, reauth.User.Phone.Key)
	later := noon.Add(time.Minute)
	tried, opened, ended, edited, deleted, disabled := account(t, s, m, number()), account(t, s, m, number()), account(t, s, m, number()),
		account(t, s, m, number()), account(t, s, m, number()), account(t, s, m, number())
	locked := account(t, s, m, number())
	locking := begun(t, s, m, core.PurposeLogin, locked, locked.User.Phone.Key)
	setter, reused := account(t, s, m, number()), account(t, s, m, number())
	revoked := m.apiKey()
	if _, err := s.AddAPIKey(t.Context(), core.AddAPIKey{Key: revoked}); err != nil {
		t.Fatal(err)
	}
	claimed, flying := claimedBy(t, s, m, "earlier"), claimedBy(t, s, m, "beginning")
	arrived, lost := sentBy(t, s, m, "north"), sentBy(t, s, m, "north")

	return map[string]func() error{
		"OpenChallenge": func() error {
			in := m.opening(m.challenge(core.PurposeSignup, number()))
			in.Challenge.BeginKey = []byte("key")
			in.Message.Price, in.Message.Country = 70_000, "DE"
			in.Sends = core.SendLimits{Waits: []time.Duration{time.Minute}, Hour: 5, Day: 10}
			_, err := s.OpenChallenge(context.Background(), in)
			return err
		},
		"ResendChallenge": func() error {
			message := m.opening(resent).Message
			_, err := s.ResendChallenge(context.Background(), core.ResendChallenge{
				ID: resent.ID, NextResendAt: later, Message: message, Now: later, Event: m.event(event.CodeResent),
				Sends: core.SendLimits{Hour: 5},
			})
			return err
		},
		"RedeemSignup": func() error {
			_, err := s.RedeemSignup(context.Background(), m.signup(signup))
			return err
		},
		"RedeemLogin, wrong": func() error {
			_, err := s.RedeemLogin(context.Background(), core.RedeemLogin{Guess: m.guess(wrong, "wrong"), SignIn: m.signIn()})
			return err
		},
		"RedeemLogin, right": func() error {
			_, err := s.RedeemLogin(context.Background(), core.RedeemLogin{Guess: m.guess(right, "right"), SignIn: m.signIn()})
			return err
		},
		"RedeemLogin, locking": func() error {
			guess := m.guess(locking, "wrong")
			guess.Limits.Strangers = 1
			_, err := s.RedeemLogin(context.Background(), core.RedeemLogin{Guess: guess, SignIn: m.signIn()})
			return err
		},
		"RedeemReset": func() error {
			_, err := s.RedeemReset(context.Background(), core.RedeemReset{
				Guess: m.guess(resetting, "right"), SignIn: m.signIn(), Hash: "new hash", HistoryKeep: 5,
				Notice: m.notice(reset.User.Phone.Key, reset.User.ID), OnReset: m.event(event.PasswordReset),
			})
			return err
		},
		"RedeemPhoneChange": func() error {
			_, err := s.RedeemPhoneChange(context.Background(), core.RedeemPhoneChange{
				Guess: m.guess(changing, "right"), Phone: changing.Phone,
				Notice: m.notice(change.User.Phone.Key, change.User.ID), OnChanged: m.event(event.PhoneNumberChanged),
			})
			return err
		},
		"RedeemReauthentication": func() error {
			_, err := s.RedeemReauthentication(context.Background(), core.RedeemReauthentication{
				Guess: m.guess(proving, "right"), TokenKeyID: "key", OnConfirmed: m.event(event.Reauthenticated),
			})
			return err
		},
		"TryPassword": func() error {
			_, err := s.TryPassword(context.Background(), core.TryPassword{PhoneKey: tried.User.Phone.Key, Now: noon})
			return err
		},
		"FailPassword": func() error {
			return s.FailPassword(context.Background(), core.FailPassword{
				Now: noon, OnFailed: m.event(event.FailedLogin), OnLocked: m.event(event.AccountLocked),
			})
		},
		"OpenSession": func() error {
			_, err := s.OpenSession(context.Background(), core.OpenSession{
				SignIn: m.signIn(), UserID: opened.User.ID, Generation: opened.User.Generation, Now: noon,
				Tried: core.TriedPassword{PhoneKey: opened.User.Phone.Key}, Upgraded: "upgraded",
			})
			return err
		},
		"SetPassword": func() error {
			_, err := s.SetPassword(context.Background(), core.SetPassword{
				SessionID: setter.Session.ID, Generation: setter.User.Generation, Hash: "next", HistoryKeep: 5, Now: noon,
				Tried: core.TriedPassword{PhoneKey: setter.User.Phone.Key}, OnChanged: m.event(event.PasswordChanged),
			})
			return err
		},
		"RotateSession, reused": func() error {
			in := rotation(reused.Session)
			in.Counter, in.OnReused = -1, m.event(event.RefreshTokenReused)
			_, err := s.RotateSession(context.Background(), in)
			return err
		},
		"EndSessions": func() error {
			_, err := s.EndSessions(context.Background(), core.EndSessions{
				SessionID: ended.Session.ID, Scope: core.ScopeAll, Reason: "logout", Now: noon, Event: m.event(event.Logout),
			})
			return err
		},
		"EndAllSessions": func() error {
			_, err := s.EndAllSessions(context.Background(), core.EndAllSessions{
				Now: noon.Add(-time.Hour), Event: m.event(event.AllSessionsEnded), // before the others' sessions
			})
			return err
		},
		"EditUser": func() error {
			name := "Grace"
			_, err := s.EditUser(context.Background(), core.EditUser{
				SessionID: edited.Session.ID, Name: &name, Now: noon, Event: m.event(event.ProfileChanged),
			})
			return err
		},
		"DeleteUser": func() error {
			_, err := s.DeleteUser(context.Background(), core.DeleteUser{
				SessionID: deleted.Session.ID, Now: noon, Event: m.event(event.AccountDeleted),
			})
			return err
		},
		"DisableUser": func() error {
			_, err := s.DisableUser(context.Background(), core.ChangeUser{
				UserID: disabled.User.ID, Now: noon, Event: m.event(event.AccountDisabled),
			})
			return err
		},
		"UnlockNumber": func() error {
			return s.UnlockNumber(context.Background(), core.UnlockNumber{
				PhoneKey: tried.User.Phone.Key, Now: noon, Event: m.event(event.AccountUnlocked),
			})
		},
		"ClaimMessages": func() error {
			budget := core.Budget{Hour: 100_000, Day: 100_000, Month: 100_000}
			_, err := s.ClaimMessages(context.Background(), core.ClaimMessages{
				Claim:   core.Claim{Holder: "a", Limit: 100, Lease: time.Minute, Now: noon},
				Budgets: core.Budgets{Total: budget, Country: budget, StrangerPct: 80}, HoldFor: time.Minute,
			})
			return err
		},
		"SettleMessage": func() error {
			cost := core.Money(80_000)
			_, err := s.SettleMessage(context.Background(), core.SettleMessage{
				ID: claimed.ID, Holder: "earlier", State: core.MessageSent, Provider: "north", ProviderRef: "ref", Cost: &cost, Now: noon,
				Event: m.event(event.SMSSent),
			})
			return err
		},
		"BeginAttempts": func() error {
			return s.BeginAttempts(context.Background(), core.BeginAttempts{Holder: "beginning", Now: noon, Attempts: []core.BeginAttempt{
				{MessageID: flying.ID, Provider: "north", Why: "by the list"}, {MessageID: m.id(), Provider: "south"},
			}})
		},
		"RecordReceipt": func() error {
			cost := core.Money(90_000)
			_, err := s.RecordReceipt(context.Background(), core.RecordReceipt{
				Provider: "north", ProviderRef: lost.ID, State: core.DeliveryFailed, Cost: &cost, Again: true, Now: noon, RetryAt: noon,
				OnFailed: m.event(event.SMSSendFailed),
			})
			return err
		},
		"RecordReceipt, by id": func() error {
			_, err := s.RecordReceipt(context.Background(), core.RecordReceipt{
				Provider: "north", MessageID: arrived.ID, State: core.DeliveryDelivered, Now: noon, OnDelivered: m.event(event.SMSSent),
			})
			return err
		},
		"AddRollups": func() error {
			sent := event.Series{Name: event.SMSSent, Country: "DE"}
			return s.AddRollups(context.Background(), core.AddRollups{Instance: "a", Rollups: []event.Rollup{{Minute: noon, Series: sent, N: 1}}})
		},
		"AddAPIKey": func() error {
			_, err := s.AddAPIKey(context.Background(), core.AddAPIKey{Key: m.apiKey(), Event: m.event(event.APIKeyCreated)})
			return err
		},
		"RevokeAPIKey": func() error {
			_, err := s.RevokeAPIKey(context.Background(), core.RevokeAPIKey{Key: revoked.ID, Now: noon, Event: m.event(event.APIKeyRevoked)})
			return err
		},
		"ClaimEvents": func() error {
			_, err := s.ClaimEvents(context.Background(), "log", core.Claim{Holder: "a", Limit: 100, Lease: time.Minute, Now: noon})
			return err
		},
		"AddKey": func() error {
			_, err := s.AddKey(context.Background(), keyring.StoredKey{ID: m.id(), Slot: "slot", Sealed: []byte("sealed"), CreatedAt: noon})
			return err
		},
		"Sweep": func() error {
			far := noon.Add(2 * 365 * 24 * time.Hour)
			_, err := s.Sweep(context.Background(), core.Sweep{Now: far, Limit: 1000})
			return err
		},
	}
}
