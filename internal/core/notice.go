package core

import (
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
)

// The notices that tell an owner of a change, as locale names them.
const (
	noticePasswordReset = "password_reset"
	noticePhoneChanged  = "phone_number_changed"
)

// noticeLife is how long a notice is worth sending.
const noticeLife = 24 * time.Hour

// notice prepares a message to the number that a user has now.
func (c *Core) notice(caller Caller, now time.Time, user User, kind string) (Message, error) {
	id, err := c.newID(now)
	if err != nil {
		return Message{}, err
	}
	number, err := c.open(user.Phone, user.ID)
	if err != nil {
		return Message{}, err
	}
	lang := c.settings.Texts.Match(user.Locale, caller.Languages)
	text := keyring.Secret(c.settings.Texts.Notice(lang, kind, locale.Vars{App: c.settings.AppName, Host: c.settings.Host}))
	sealed, err := SealText(c.ring, c.rand, id, number, Text{Body: text, Locale: lang})
	if err != nil {
		return Message{}, unavailable("writing a notice", err)
	}
	country := number.Region()
	channel, err := c.settings.channel(number, country, "", ChannelSMS)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		ID: id, UserID: user.ID, Purpose: kind + "_notice", Channel: channel,
		PhoneKey: user.Phone.Key, PhoneMasked: user.Phone.Masked, Sealed: sealed, SealedFor: id,
		State: MessageQueued, Country: country, PrefixKey: c.prefixKey(number),
		Price:     c.settings.price(channel, number, country, text),
		CreatedAt: now, ExpiresAt: now.Add(noticeLife), RequestID: caller.RequestID,
	}
	if c.isTest(number) {
		m.State = MessageWithheld
	}
	return m, nil
}
