package native

import (
	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Members that are pointers without omitzero are required; the table refuses
// a request in which one is absent. Other pointers tell absent from empty.

// device is how a client describes itself.
type device struct {
	ID       string         `json:"id,omitzero" jsonschema:"the client's own name for the device; a label, never a proof"`
	Name     string         `json:"name,omitzero" jsonschema:"shown to the user in the list of sessions"`
	Platform string         `json:"platform,omitzero" jsonschema:"such as ios, android or web"`
	Token    keyring.Secret `json:"token,omitzero" jsonschema:"the device_token of an earlier sign-in"`
}

// solution answers a problem's captcha member. One of a type that is not asked
// for solves nothing, and is no error.
type solution struct {
	Type  string         `json:"type,omitzero" jsonschema:"the type that was asked for"`
	Token keyring.Secret `json:"token,omitzero" jsonschema:"the solution: what the service's widget gave; for altcha the base64 of {\"challenge\":…,\"solution\":{\"counter\":…,\"derivedKey\":…}}"`
}

// delivery is what every call that begins a challenge takes.
type delivery struct {
	Channel *string  `json:"channel,omitzero" jsonschema:"how the code travels: sms, whatsapp or voice, as offered for the number; the usual way when absent"`
	Locale  string   `json:"locale,omitzero" jsonschema:"language of the message (BCP 47); otherwise Accept-Language decides"`
	Captcha solution `json:"captcha,omitzero" jsonschema:"the answer to captcha_required"`
}

// begin starts a challenge for a phone number.
type begin struct {
	PhoneNumber *string `json:"phone_number" jsonschema:"as people type it; without + it is read in the configured region"`
	Device      device  `json:"device,omitzero" jsonschema:"the device that asks"`
	delivery
}

type signup struct {
	PhoneNumber *string         `json:"phone_number" jsonschema:"as people type it; without + it is read in the configured region"`
	Password    *keyring.Secret `json:"password,omitzero" jsonschema:"waits in the challenge until the code is redeemed"`
	Name        string          `json:"name,omitzero" jsonschema:"at most 200 characters"`
	Email       string          `json:"email,omitzero" jsonschema:"never used to sign in"`
	Device      device          `json:"device,omitzero" jsonschema:"the device that asks"`
	delivery
}

type loginPassword struct {
	PhoneNumber *string         `json:"phone_number" jsonschema:"as people type it; without + it is read in the configured region"`
	Password    *keyring.Secret `json:"password" jsonschema:"the password"`
	Device      device          `json:"device,omitzero" jsonschema:"the device that asks; its token gives it a failure counter of its own"`
	Captcha     solution        `json:"captcha,omitzero" jsonschema:"the answer to captcha_required"`
}

type verify struct {
	Code        *keyring.Secret `json:"code" jsonschema:"the digits that were sent; blanks and hyphens are ignored"`
	NewPassword *keyring.Secret `json:"new_password,omitzero" jsonschema:"required for password_reset, refused for all else"`
}

type resend struct {
	Channel *string  `json:"channel,omitzero" jsonschema:"how the code travels from now on: sms, whatsapp or voice, as offered for the number; the same way again when absent"`
	Captcha solution `json:"captcha,omitzero" jsonschema:"the answer to captcha_required"`
}

type refresh struct {
	RefreshToken *keyring.Secret `json:"refresh_token" jsonschema:"the last refresh token received"`
	Device       device          `json:"device,omitzero" jsonschema:"its token proves the device when the last answer was lost"`
}

type logout struct {
	Scope string `json:"scope,omitzero" jsonschema:"current (default), others or all"`
}

type editMe struct {
	Name   *string `json:"name,omitzero" jsonschema:"at most 200 characters; empty clears"`
	Email  *string `json:"email,omitzero" jsonschema:"never used to sign in; empty clears"`
	Locale *string `json:"locale,omitzero" jsonschema:"a language tag (BCP 47); empty clears"`
}

type changePassword struct {
	Current *keyring.Secret `json:"current_password,omitzero" jsonschema:"required where there is one; otherwise the authentication has to be fresh"`
	New     *keyring.Secret `json:"new_password" jsonschema:"the password from now on"`
}

type changePhone struct {
	PhoneNumber *string `json:"phone_number" jsonschema:"the new number; the code is sent there"`
	delivery
}

type reauthenticate struct {
	Password *keyring.Secret `json:"password,omitzero" jsonschema:"the password; without it a code is sent"`
	delivery
}

func (d device) in() core.DeviceIn {
	return core.DeviceIn{ID: d.ID, Name: d.Name, Platform: d.Platform, Token: d.Token}
}

func (s solution) in() captcha.Solution {
	return captcha.Solution{Type: s.Type, Token: s.Token}
}

func (d delivery) in(phoneNumber string, from device, i core.Idempotency) (core.BeginIn, error) {
	channel, err := readChannel(d.Channel)
	return core.BeginIn{
		PhoneNumber: phoneNumber, Locale: d.Locale, Channel: channel, Device: from.in(), Idempotency: i, Captcha: d.Captcha.in(),
	}, err
}

// readChannel tells an absent channel, which is ours to choose, from an empty
// one, which is none.
func readChannel(channel *string) (string, error) {
	switch {
	case channel == nil:
		return "", nil
	case *channel == "":
		return "", &core.Error{Code: core.CodeInvalidRequest, Fields: []core.Field{{Name: "channel", Message: "must not be empty"}}}
	}
	return *channel, nil
}
