package postgres

import (
	"strings"

	"github.com/countersign/countersign/internal/core"
)

// The columns of each noun, in the order in which it is read and written; of a
// challenge it is Names that are written.
const (
	userColumns = `u.id, p.phone_key, u.phone_sealed, u.phone_masked, u.phone_verified_at,
		u.name, u.email, u.locale, u.password_hash, u.generation, u.disabled_at, u.created_at, u.updated_at`

	sessionColumns = `s.id, s.user_id, s.counter, s.secret_hash, s.secret_sealed, s.token_key_id, s.rotated_at,
		s.created_at, s.auth_time, s.last_seen_at, s.idle_expires_at, s.expires_at, ` + sessionEnd + `,
		s.device_id, s.label_id, s.label_name, s.label_platform, s.ip_address, s.network, s.user_agent,
		s.methods, s.dialect, s.reissue, s.thumbprint`

	challengeNames = `id, purpose, channel, phone_key, phone_sealed, phone_masked, decoy,
		user_id, generation, session_id, device_id, label_id, label_name, label_platform,
		pending_name, pending_email, pending_locale, pending_password_hash,
		code_mac, code_length, sealed, guesses_left, resends, resend_at, created_at, expires_at,
		redeemed_at, voided_at, begin_key, begin_body, verify_key, verify_body, opened_session_id, opened_counter,
		dialect, thumbprint, country`

	challengeColumns = `id, purpose, channel, phone_key, phone_sealed, phone_masked, decoy,
		user_id, generation, session_id, device_id, label_id, label_name, label_platform,
		pending_name, pending_email, pending_locale, pending_password_hash,
		code_mac, code_length, sealed, guesses_left, resends, resend_at, created_at, expires_at,
		redeemed_at, ` + challengeVoided + `, begin_key, begin_body, verify_key, verify_body, opened_session_id, opened_counter,
		dialect, thumbprint, country`

	messageColumns = `m.id, coalesce(m.challenge_id, ''), m.user_id, m.purpose, m.channel, m.phone_key, m.phone_masked,
		m.sealed, m.sealed_for, m.state, m.tries, m.held > 0, m.bucket, m.country, m.price, m.created_at, m.expires_at, m.request_id,
		m.prefix_key, m.attempts`
)

// usersOf joins what a user is made of; sessionsOf adds a session's.
const (
	usersOf    = ` FROM users u JOIN phones p ON p.user_id = u.id `
	sessionsOf = ` FROM sessions s JOIN users u ON u.id = s.user_id JOIN phones p ON p.user_id = u.id `
)

func intoUser(u *core.User) []any {
	return []any{
		&u.ID, &u.Phone.Key, &u.Phone.Sealed, &u.Phone.Masked, at(&u.PhoneVerifiedAt),
		&u.Name, &u.Email, &u.Locale, (*string)(&u.PasswordHash), &u.Generation,
		at(&u.DisabledAt), at(&u.CreatedAt), at(&u.UpdatedAt),
	}
}

func intoSession(s *core.Session) []any {
	return []any{
		&s.ID, &s.UserID, &s.Counter, &s.SecretHash, &s.SecretSealed, &s.TokenKeyID, at(&s.RotatedAt),
		at(&s.CreatedAt), at(&s.AuthTime), at(&s.LastSeenAt), at(&s.IdleExpiresAt), at(&s.ExpiresAt), at(&s.EndedAt), &s.EndReason,
		&s.DeviceID, &s.Device.ID, &s.Device.Name, &s.Device.Platform, &s.IPAddress, &s.Network, &s.UserAgent,
		(*words)(&s.Methods), &s.Dialect, (*string)(&s.Reissue), &s.Thumbprint,
	}
}

func intoChallenge(c *core.Challenge) []any {
	return []any{
		&c.ID, (*string)(&c.Purpose), (*string)(&c.Channel), &c.Phone.Key, &c.Phone.Sealed, &c.Phone.Masked, &c.Decoy,
		&c.UserID, &c.Generation, &c.SessionID, &c.DeviceID, &c.Device.ID, &c.Device.Name, &c.Device.Platform,
		&c.Pending.Name, &c.Pending.Email, &c.Pending.Locale, (*string)(&c.Pending.PasswordHash),
		&c.CodeMAC, &c.CodeLength, &c.Sealed, &c.GuessesLeft, &c.Resends, at(&c.ResendAt), at(&c.CreatedAt), at(&c.ExpiresAt),
		at(&c.RedeemedAt), at(&c.VoidedAt), &c.BeginKey, &c.BeginBody, &c.VerifyKey, &c.VerifyBody,
		&c.OpenedSessionID, &c.OpenedCounter, &c.Dialect, &c.Thumbprint, &c.Country,
	}
}

func intoMessage(m *core.Message) []any {
	return []any{
		&m.ID, &m.ChallengeID, &m.UserID, &m.Purpose, (*string)(&m.Channel), &m.PhoneKey, &m.PhoneMasked,
		&m.Sealed, &m.SealedFor, (*string)(&m.State), &m.Tries, &m.Held, &m.Bucket, &m.Country, (*int64)(&m.Price),
		at(&m.CreatedAt), at(&m.ExpiresAt), &m.RequestID, &m.PrefixKey, (*attempts)(&m.Attempts),
	}
}

func readMessage(r *row) (m core.Message) {
	r.scan(intoMessage(&m)...)
	return m
}

func readSession(r *row) (s core.Session) {
	r.scan(intoSession(&s)...)
	return s
}

// aUser is a user that may not be there.
type aUser struct {
	core.User
	found bool
}

// aSession is a session that may not be there, and its user.
type aSession struct {
	core.Session
	user  core.User
	found bool
}

func (s *aSession) read(r *row) {
	r.scan(append(intoSession(&s.Session), intoUser(&s.user)...)...)
	s.found = true
}

// user queues the reading of a user: of = is the query that gives the id. Where
// there is none it reads somebody else and forgets it, so that both take the same
// time (C-60).
func (tx *tx) user(into *aUser, id string, args ...any) {
	tx.ask("SELECT w.id IS NOT NULL, "+userColumns+" FROM (SELECT ("+id+") AS id) w"+
		" JOIN users u ON u.id = coalesce(w.id, (SELECT min(id) FROM users)) JOIN phones p ON p.user_id = u.id", func(r *row) {
		var u core.User
		r.scan(append([]any{&into.found}, intoUser(&u)...)...)
		if into.found {
			into.User = u
		}
	}, args...)
}

// The ways to say whose id user reads.
const (
	byID    = "SELECT id FROM users WHERE id = $1"
	byPhone = "SELECT user_id FROM phones WHERE phone_key = $1"
)

// session queues the reading of a session and its user, living or not.
func (tx *tx) session(into *aSession, id string) {
	tx.ask("SELECT "+sessionColumns+", "+userColumns+sessionsOf+"WHERE s.id = $1", into.read, id)
}

// challenge queues the reading of a challenge.
func (tx *tx) challenge(into *core.Challenge, found *bool, id string) {
	tx.ask("SELECT "+challengeColumns+" FROM challenges WHERE id = $1", func(r *row) {
		r.scan(intoChallenge(into)...)
		*found = true
	}, id)
}

func (tx *tx) insertUser(u core.User) {
	tx.exec(`INSERT INTO users (id, phone_sealed, phone_masked, phone_verified_at, name, email, locale,
		password_hash, generation, disabled_at, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		u.ID, u.Phone.Sealed, u.Phone.Masked, u.PhoneVerifiedAt, u.Name, u.Email, u.Locale,
		string(u.PasswordHash), u.Generation, u.DisabledAt, u.CreatedAt, u.UpdatedAt)
	tx.exec("INSERT INTO phones (phone_key, user_id) VALUES ($1, $2)", u.Phone.Key, u.ID)
}

// challengeValues are a challenge's columns, as challengeColumns has them.
func challengeValues(c core.Challenge) []any {
	return []any{
		c.ID, string(c.Purpose), string(c.Channel), c.Phone.Key, c.Phone.Sealed, c.Phone.Masked, c.Decoy,
		c.UserID, c.Generation, c.SessionID, c.DeviceID, c.Device.ID, c.Device.Name, c.Device.Platform,
		c.Pending.Name, c.Pending.Email, c.Pending.Locale, string(c.Pending.PasswordHash),
		c.CodeMAC, c.CodeLength, c.Sealed, c.GuessesLeft, c.Resends, c.ResendAt, c.CreatedAt, c.ExpiresAt,
		c.RedeemedAt, c.VoidedAt, c.BeginKey, c.BeginBody, c.VerifyKey, c.VerifyBody, c.OpenedSessionID, c.OpenedCounter,
		c.Dialect, c.Thumbprint, c.Country,
	}
}

const challengeParameters = `$1, $2, $3, $4, $5::bytea, $6, $7::boolean, $8, $9::bigint, $10, $11, $12, $13, $14, $15, $16, $17, $18,
	$19::bytea, $20::bigint, $21::bytea, $22::bigint, $23::bigint, $24::bigint, $25::bigint, $26::bigint, $27::bigint, $28::bigint,
	$29::bytea, $30::bytea, $31::bytea, $32::bytea, $33, $34::bigint, $35, $36, $37`

func (tx *tx) insertChallenge(c core.Challenge) {
	tx.exec("INSERT INTO challenges ("+challengeNames+") VALUES ("+challengeParameters+")", challengeValues(c)...)
}

// insertMessage inserts the message that $1 to $18 tell.
const insertMessage = `INSERT INTO messages (id, challenge_id, user_id, purpose, channel, phone_key, phone_masked,
		sealed, sealed_for, state, tries, bucket, country, price, created_at, expires_at, request_id, prefix_key, due_at)
	SELECT $1, nullif($2::text, ''), $3, $4, $5, $6, $7, $8::bytea, $9, $10, $11::bigint, $12, $13, $14::bigint,
		$15::bigint, $16::bigint, $17, $18, $15::bigint `

func messageValues(m core.Message) []any {
	return []any{
		m.ID, m.ChallengeID, m.UserID, m.Purpose, string(m.Channel), m.PhoneKey, m.PhoneMasked,
		m.Sealed, m.SealedFor, string(m.State), m.Tries, m.Bucket, m.Country, int64(m.Price), m.CreatedAt, m.ExpiresAt, m.RequestID, m.PrefixKey,
	}
}

// queue writes a message into the outbox, due at once. One without an id is
// none.
func (tx *tx) queue(m core.Message) {
	if m.ID != "" {
		tx.exec(insertMessage, messageValues(m)...)
		tx.queuedMessage = true
	}
}

func joined(methods []string) string { return strings.Join(methods, " ") }
