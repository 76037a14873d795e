package gatewaytest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// NewSupabaseHook starts a service at hook.supabase.example that was written as
// Supabase Auth's Send SMS hook: it reads user.phone and sms.otp, and takes what is
// signed with the secret at the time given.
func NewSupabaseHook(tb testing.TB, secret string, now time.Time) *Fake {
	return newFake(tb, "hook.supabase.example", func(r Request, _ int) (Answer, error) {
		if r.Method == http.MethodHead {
			return Answer{Status: http.StatusUnauthorized}, nil
		}
		if err := judgeSigned(r, secret, now); err != nil {
			return Answer{}, err
		}
		return Answer{Status: http.StatusOK, Body: `{}`}, judgeSupabase(r)
	})
}

func judgeSupabase(r Request) error {
	var call struct {
		Metadata struct {
			UUID string    `json:"uuid"`
			Time time.Time `json:"time"`
			Name string    `json:"name"`
		} `json:"metadata"`
		User struct {
			ID           string         `json:"id"`
			Aud          string         `json:"aud"`
			Role         string         `json:"role"`
			Email        string         `json:"email"`
			Phone        string         `json:"phone"`
			AppMetadata  map[string]any `json:"app_metadata"`
			UserMetadata map[string]any `json:"user_metadata"`
			Identities   []any          `json:"identities"`
			CreatedAt    time.Time      `json:"created_at"`
			UpdatedAt    time.Time      `json:"updated_at"`
			IsAnonymous  bool           `json:"is_anonymous"`
		} `json:"user"`
		SMS struct {
			OTP   string `json:"otp"`
			Phone string `json:"phone"`
		} `json:"sms"`
	}
	if err := strictJSON(r, &call); err != nil {
		return err
	}
	switch u := call.User; {
	case call.Metadata.Name != "send-sms" || call.Metadata.UUID == "" || call.Metadata.Time.IsZero():
		return fmt.Errorf("metadata is %+v", call.Metadata)
	case len(u.ID) != 36 || u.Aud != "authenticated" || u.CreatedAt.IsZero():
		return errors.New("user is none")
	case !isDigits(strings.TrimPrefix(u.Phone, "+")) || u.Phone != call.SMS.Phone:
		return fmt.Errorf("user.phone is %q", u.Phone)
	case call.SMS.OTP == "":
		return errors.New("there is no sms.otp")
	}
	return nil
}
