package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// acts are what a person can do, rightly and wrongly, and what is told of it.
func acts() []act {
	return slices.Concat(signInActs(), codeActs(), accountActs(), endingActs())
}

func (l *life) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// simple is an act that needs no preparation.
func simple(name string, run func(*life) error, want ...event.Name) act {
	return act{name, func(l *life) (func() error, []event.Name) {
		return func() error { return run(l) }, want
	}}
}

// byCode is an act that redeems the code of a challenge which was begun before.
func byCode(name string, begin func(*life) (core.Challenge, error), redeem func(*life, core.VerifyIn) error, want ...event.Name) act {
	return act{name, func(l *life) (func() error, []event.Name) {
		l.t.Helper()
		ch, err := begin(l)
		l.must(err)
		in := core.VerifyIn{ChallengeID: ch.ID, Code: l.code(ch.ID)}
		return func() error { return redeem(l, in) }, want
	}}
}

func redeem(l *life, in core.VerifyIn) error {
	_, err := l.one().Verify(context.Background(), l.caller, in)
	return err
}

// refusal is nil for the refusal that is wanted: it is a success of its own kind.
func refusal(err error, want core.Code) error {
	switch codeOf(err) {
	case want:
		return nil
	case "":
		return errors.New("nothing was refused")
	default:
		return err
	}
}

func (l *life) to(number string) core.BeginIn { return core.BeginIn{PhoneNumber: number} }

func (l *life) beginSignup(number string) (core.Challenge, error) {
	return l.one().Signup(context.Background(), stranger(), core.SignupIn{BeginIn: l.to(number)})
}

func (l *life) beginLogin() (core.Challenge, error) {
	return l.one().LoginSMS(context.Background(), stranger(), l.to(l.numbers[0]))
}

func (l *life) beginReset() (core.Challenge, error) {
	return l.one().ResetPassword(context.Background(), stranger(), l.to(l.numbers[0]))
}

func (l *life) beginMove() (core.Challenge, error) {
	return l.one().ChangePhone(context.Background(), l.caller, l.to(l.numbers[1]))
}

func (l *life) beginReauthentication() (core.Challenge, error) {
	return l.one().ReauthenticateSMS(context.Background(), l.caller, core.BeginIn{})
}

// another is a session beside the one that acts.
func (l *life) another() core.TokenSet {
	l.t.Helper()
	set, err := l.login(l.numbers[0], l.password.Reveal(), l.set.DeviceToken)
	l.must(err)
	return set
}

// fresh is a number that nobody has yet.
func (l *life) fresh() string { return number(1000 + l.rand.IntN(1000000)) }

// unused gives a password that was not used before.
func (l *life) unused() keyring.Secret {
	l.next = keyring.Secret(fmt.Sprintf("a lantern of colour %x", l.rand.Uint64()))
	return l.next
}

func signInActs() []act {
	return []act{
		simple("begin a signup", func(l *life) error { _, err := l.beginSignup(l.numbers[0]); return err }, event.SignupStarted),
		byCode("sign up", func(l *life) (core.Challenge, error) { return l.beginSignup(l.fresh()) }, redeem,
			event.AccountCreated, event.SuccessfulLogin),
		byCode("sign up again", func(l *life) (core.Challenge, error) { return l.beginSignup(l.numbers[0]) }, redeem, event.SuccessfulLogin),
		simple("begin a login", func(l *life) error { _, err := l.beginLogin(); return err }, event.LoginStarted),
		simple("begin nobody's login", func(l *life) error {
			_, err := l.one().LoginSMS(context.Background(), stranger(), l.to(l.fresh()))
			return err
		}, event.LoginStarted),
		byCode("sign in by code", (*life).beginLogin, redeem, event.SuccessfulLogin),
		simple("sign in by password", func(l *life) error {
			_, err := l.login(l.numbers[0], l.password.Reveal(), l.set.DeviceToken)
			return err
		}, event.SuccessfulLogin),
		simple("try a wrong password", func(l *life) error {
			_, err := l.login(l.numbers[0], "wrong", "")
			return refusal(err, core.CodeInvalidCredentials)
		}, event.FailedLogin),
		simple("try a password of nobody's", func(l *life) error {
			_, err := l.login(l.fresh(), "wrong", "")
			return refusal(err, core.CodeInvalidCredentials)
		}, event.FailedLogin),
	}
}

func codeActs() []act {
	return []act{
		byCode("guess wrong", (*life).beginLogin, func(l *life, in core.VerifyIn) error {
			in.Code = keyring.Secret(wrongCode(in.Code.Reveal()))
			return refusal(redeem(l, in), core.CodeInvalidCode)
		}, event.CodeFailed),
		byCode("resend", (*life).beginLogin, func(l *life, in core.VerifyIn) error {
			_, err := l.one().Resend(context.Background(), stranger(), core.ResendIn{ChallengeID: in.ChallengeID})
			return err
		}, event.CodeResent),
		byCode("redeem twice", func(l *life) (core.Challenge, error) {
			ch, err := l.beginLogin()
			l.must(err)
			return ch, redeem(l, core.VerifyIn{ChallengeID: ch.ID, Code: l.code(ch.ID)})
		}, func(l *life, in core.VerifyIn) error { return refusal(redeem(l, in), core.CodeChallengeSpent) }),
		simple("begin a reset", func(l *life) error { _, err := l.beginReset(); return err }, event.PasswordResetStarted),
		byCode("reset", (*life).beginReset, func(l *life, in core.VerifyIn) error {
			fresh := l.unused()
			in.NewPassword = &fresh
			return redeem(l, in)
		}, event.PasswordReset, event.SuccessfulLogin),
		byCode("reset to the same", (*life).beginReset, func(l *life, in core.VerifyIn) error {
			in.NewPassword = &l.password
			return refusal(redeem(l, in), core.CodeWeakPassword)
		}),
	}
}

func accountActs() []act {
	return []act{
		simple("edit", func(l *life) error {
			name := fmt.Sprintf("Ada %d", l.rand.IntN(1000000))
			_, err := l.one().EditMe(context.Background(), l.caller, core.EditIn{Name: &name})
			return err
		}, event.ProfileChanged),
		simple("change the password", func(l *life) error {
			return l.one().ChangePassword(context.Background(), l.caller, core.ChangePasswordIn{Current: &l.password, New: l.unused()})
		}, event.PasswordChanged),
		simple("change it without knowing it", func(l *life) error {
			wrong := keyring.Secret("wrong")
			err := l.one().ChangePassword(context.Background(), l.caller, core.ChangePasswordIn{Current: &wrong, New: l.unused()})
			return refusal(err, core.CodeInvalidCredentials)
		}, event.FailedLogin),
		simple("change it to itself", func(l *life) error {
			err := l.one().ChangePassword(context.Background(), l.caller, core.ChangePasswordIn{Current: &l.password, New: l.password})
			return refusal(err, core.CodeWeakPassword)
		}),
		simple("begin to move", func(l *life) error { _, err := l.beginMove(); return err }, event.PhoneChangeStarted),
		byCode("move", (*life).beginMove, redeem, event.PhoneNumberChanged),
		simple("renew by password", func(l *life) error {
			l.clock.pass(1e9)
			_, err := l.one().ReauthenticatePassword(context.Background(), l.caller, l.password)
			return err
		}, event.Reauthenticated),
		simple("begin to renew", func(l *life) error { _, err := l.beginReauthentication(); return err }, event.ReauthenticationStarted),
		byCode("renew by code", (*life).beginReauthentication, redeem, event.Reauthenticated),
		{"refresh", func(l *life) (func() error, []event.Name) {
			token := l.another().RefreshToken
			return func() error { _, err := l.refresh(token, ""); return err }, nil
		}},
	}
}

func endingActs() []act {
	scope := func(scope string) act {
		return act{"sign out " + scope, func(l *life) (func() error, []event.Name) {
			l.another()
			return func() error { return l.one().Logout(context.Background(), l.caller, scope) }, []event.Name{event.Logout}
		}}
	}
	return []act{
		scope("current"), scope("others"), scope("all"),
		{"end a session", func(l *life) (func() error, []event.Name) {
			id := l.another().SessionID
			return func() error { return l.one().EndSession(context.Background(), l.caller, id) }, []event.Name{event.SessionRevoked}
		}},
		{"revoke a token", func(l *life) (func() error, []event.Name) {
			token := l.another().RefreshToken
			return func() error { return l.one().Revoke(context.Background(), stranger(), token) }, []event.Name{event.Logout}
		}},
		{"show an old token", func(l *life) (func() error, []event.Name) {
			first := l.another()
			second, err := l.refresh(first.RefreshToken, "")
			l.must(err)
			_, err = l.refresh(second.RefreshToken, "")
			l.must(err)
			return func() error {
				_, err := l.refresh(first.RefreshToken, "")
				return refusal(err, core.CodeInvalidToken)
			}, []event.Name{event.RefreshTokenReused}
		}},
		simple("disable", func(l *life) error {
			return l.one().DisableUser(context.Background(), stranger(), l.set.User.ID, "test")
		}, event.AccountDisabled),
		{"enable", func(l *life) (func() error, []event.Name) {
			l.must(l.one().DisableUser(context.Background(), stranger(), l.set.User.ID, "test"))
			return func() error { return l.one().EnableUser(context.Background(), stranger(), l.set.User.ID, "test") }, []event.Name{event.AccountEnabled}
		}},
		simple("unlock", func(l *life) error { return l.one().UnlockNumber(context.Background(), stranger(), l.numbers[0]) }, event.AccountUnlocked),
		simple("delete", func(l *life) error { return l.one().DeleteMe(context.Background(), l.caller) }, event.AccountDeleted),
	}
}
