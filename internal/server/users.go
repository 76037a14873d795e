package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
)

// UserAct is what an operator does to the account of a number.
type UserAct string

// The acts.
const (
	UserShow    UserAct = "show"
	UserDisable UserAct = "disable"
	UserEnable  UserAct = "enable"
	UserUnlock  UserAct = "unlock"
)

// User carries out an operator's act on the account of a number, on the data
// directory, beside a running server or without one. A server sees it at once.
func User(ctx context.Context, c config.Config, act UserAct, number, why string, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		return explained(number, p.act(ctx, act, number, why, stdout))
	})
}

func (p *parts) act(ctx context.Context, act UserAct, number, why string, stdout io.Writer) error {
	caller := core.Caller{UserAgent: "countersign user"}
	if act == UserUnlock {
		if err := p.core.UnlockNumber(ctx, caller, number); err != nil {
			return err
		}
		_, err := fmt.Fprintln(stdout, "The number's failed codes and passwords are forgotten.")
		return err
	}
	user, err := p.core.FindUser(ctx, number)
	if err != nil {
		return err
	}
	switch act {
	case UserDisable:
		err = p.core.DisableUser(ctx, caller, user.ID, why)
	case UserEnable:
		err = p.core.EnableUser(ctx, caller, user.ID, why)
	default:
		_, err = fmt.Fprintf(stdout, "id        %s\nnumber    %s\nname      %s\ncreated   %s\npassword  %t\n",
			user.ID, user.PhoneNumber.E164(), user.Name, user.CreatedAt.Format(time.RFC3339), user.HasPassword)
		return err
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "User %s: %sd.\n", user.ID, act)
	return err
}

// explained says in an operator's words what the core refused.
func explained(number string, err error) error {
	var refusal *core.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Code {
	case core.CodeNotFound:
		return fmt.Errorf("nobody has the number %s", number)
	case core.CodeInvalidPhoneNumber:
		return fmt.Errorf("%s is no phone number: write it with + and the country code", number)
	}
	return err
}
