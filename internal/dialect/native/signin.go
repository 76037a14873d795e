package native

import (
	"context"
	"net/http"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

func (a api) signup(ctx context.Context, call dialect.Call[signup]) (dialect.Reply, error) {
	in := call.In
	begin, err := in.in(*in.PhoneNumber, in.Device, call.Idempotency)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.Signup(ctx, call.Caller, core.SignupIn{
		BeginIn: begin, Password: in.Password, Name: in.Name, Email: in.Email,
	}))
}

func (a api) loginSMS(ctx context.Context, call dialect.Call[begin]) (dialect.Reply, error) {
	in, err := call.In.in(*call.In.PhoneNumber, call.In.Device, call.Idempotency)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.LoginSMS(ctx, call.Caller, in))
}

func (a api) resetPassword(ctx context.Context, call dialect.Call[begin]) (dialect.Reply, error) {
	in, err := call.In.in(*call.In.PhoneNumber, call.In.Device, call.Idempotency)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.ResetPassword(ctx, call.Caller, in))
}

func (a api) loginPassword(ctx context.Context, call dialect.Call[loginPassword]) (dialect.Reply, error) {
	return tokens(a.core.LoginPassword(ctx, call.Caller, core.LoginPasswordIn{
		PhoneNumber: *call.In.PhoneNumber, Password: *call.In.Password, Device: call.In.Device.in(), Captcha: call.In.Captcha.in(),
	}))
}

func (a api) verify(ctx context.Context, call dialect.Call[verify]) (dialect.Reply, error) {
	out, err := a.core.Verify(ctx, call.Caller, core.VerifyIn{
		ChallengeID: call.ID, Code: *call.In.Code, NewPassword: call.In.NewPassword, Idempotency: call.Idempotency,
	})
	if err != nil {
		return dialect.Reply{}, err
	}
	if out.User != nil {
		return dialect.Reply{Status: http.StatusOK, Body: userOf(*out.User)}, nil
	}
	return dialect.Reply{Status: http.StatusOK, Body: tokenSetOf(*out.Tokens)}, nil
}

func (a api) resend(ctx context.Context, call dialect.Call[resend]) (dialect.Reply, error) {
	channel, err := readChannel(call.In.Channel)
	if err != nil {
		return dialect.Reply{}, err
	}
	return accepted(a.core.Resend(ctx, call.Caller, core.ResendIn{ChallengeID: call.ID, Channel: channel, Captcha: call.In.Captcha.in()}))
}

func (a api) delivery(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	d, err := a.core.WhereIsCode(ctx, call.Caller, call.ID)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: deliveryOf(d)}, nil
}

// accepted answers a challenge.
func accepted(c core.Challenge, err error) (dialect.Reply, error) {
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusAccepted, Body: challengeOf(c)}, nil
}

// tokens answers a token set.
func tokens(t core.TokenSet, err error) (dialect.Reply, error) {
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: tokenSetOf(t)}, nil
}

// user answers a user.
func user(u core.UserView, err error) (dialect.Reply, error) {
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: userOf(u)}, nil
}

// done answers that it was done.
func done(err error) (dialect.Reply, error) {
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusNoContent}, nil
}
