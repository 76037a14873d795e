package sqlite

import (
	"strings"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
	"github.com/countersign/countersign/internal/store"
)

// The columns of each noun, in the order in which it is read and written; of a
// challenge it is Names that are written.
const (
	userColumns = `u.id, p.phone_key, u.phone_sealed, u.phone_masked, u.phone_verified_at,
		u.name, u.email, u.locale, u.password_hash, u.generation, u.disabled_at, u.created_at, u.updated_at`

	sessionColumns = `sessions.id, sessions.user_id, sessions.counter, sessions.secret_hash, sessions.secret_sealed, sessions.token_key_id, sessions.rotated_at,
		sessions.created_at, sessions.auth_time, sessions.last_seen_at, sessions.idle_expires_at, sessions.expires_at, ` + sessionEnd + `,
		sessions.device_id, sessions.label_id, sessions.label_name, sessions.label_platform, sessions.ip_address, sessions.network, sessions.user_agent,
		sessions.methods, sessions.dialect, sessions.reissue, sessions.thumbprint`

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

	messageColumns = `m.id, m.challenge_id, m.user_id, m.purpose, m.channel, m.phone_key, m.phone_masked,
		m.sealed, m.sealed_for, m.state, m.tries, m.held, m.bucket, m.country, m.price, m.created_at, m.expires_at, m.request_id,
		m.prefix_key, m.attempts`
)

// usersOf joins what a user is made of; sessionsOf adds a session's.
const (
	usersOf    = ` FROM users u JOIN phones p ON p.user_id = u.id `
	sessionsOf = ` FROM sessions JOIN users u ON u.id = sessions.user_id JOIN phones p ON p.user_id = u.id `
)

func readUser(r *row) core.User {
	return core.User{
		ID:              r.text(),
		Phone:           core.SealedPhone{Key: r.text(), Sealed: r.blob(), Masked: r.text()},
		PhoneVerifiedAt: r.time(),
		Name:            r.text(), Email: r.text(), Locale: r.text(),
		PasswordHash: password.Hash(r.text()),
		Generation:   r.long(),
		DisabledAt:   r.time(), CreatedAt: r.time(), UpdatedAt: r.time(),
	}
}

func readSession(r *row) core.Session {
	return core.Session{
		ID: r.text(), UserID: r.text(), Counter: r.long(),
		SecretHash: r.blob(), SecretSealed: r.blob(), TokenKeyID: r.text(), RotatedAt: r.time(),
		CreatedAt: r.time(), AuthTime: r.time(), LastSeenAt: r.time(),
		IdleExpiresAt: r.time(), ExpiresAt: r.time(), EndedAt: r.time(), EndReason: r.text(),
		DeviceID: r.text(), Device: readLabel(r),
		IPAddress: r.text(), Network: r.text(), UserAgent: r.text(),
		Methods: strings.Fields(r.text()),
		Dialect: r.text(), Reissue: core.Reissue(r.text()), Thumbprint: r.text(),
	}
}

func readLabel(r *row) core.DeviceLabel {
	return core.DeviceLabel{ID: r.text(), Name: r.text(), Platform: r.text()}
}

func readChallenge(r *row) core.Challenge {
	return core.Challenge{
		ID: r.text(), Purpose: core.Purpose(r.text()), Channel: core.Channel(r.text()),
		Phone: core.SealedPhone{Key: r.text(), Sealed: r.blob(), Masked: r.text()}, Decoy: r.flag(),
		UserID: r.text(), Generation: r.long(), SessionID: r.text(),
		DeviceID: r.text(), Device: readLabel(r),
		Pending: core.Pending{Name: r.text(), Email: r.text(), Locale: r.text(), PasswordHash: password.Hash(r.text())},
		CodeMAC: r.blob(), CodeLength: r.int(), Sealed: r.blob(),
		GuessesLeft: r.int(), Resends: r.int(), ResendAt: r.time(), CreatedAt: r.time(), ExpiresAt: r.time(),
		RedeemedAt: r.time(), VoidedAt: r.time(),
		BeginKey: r.blob(), BeginBody: r.blob(), VerifyKey: r.blob(), VerifyBody: r.blob(),
		OpenedSessionID: r.text(), OpenedCounter: r.long(), Dialect: r.text(), Thumbprint: r.text(), Country: r.text(),
	}
}

func (tx *tx) readMessage(r *row) core.Message {
	return core.Message{
		ID: r.text(), ChallengeID: r.text(), UserID: r.text(), Purpose: r.text(), Channel: core.Channel(r.text()),
		PhoneKey: r.text(), PhoneMasked: r.text(), Sealed: r.blob(), SealedFor: r.text(),
		State: core.MessageState(r.text()), Tries: r.int(), Held: r.long() > 0,
		Bucket: r.text(), Country: r.text(), Price: core.Money(r.long()),
		CreatedAt: r.time(), ExpiresAt: r.time(), RequestID: r.text(),
		PrefixKey: r.text(), Attempts: tx.readAttempts(r),
	}
}

// readAttempts reads attempts; what cannot be read fails the whole operation.
func (tx *tx) readAttempts(r *row) []core.Attempt {
	attempts, err := store.ReadAttempts(r.text())
	tx.fail(err)
	return attempts
}

// user finds a user by id.
func (tx *tx) user(id string) (core.User, bool) {
	return tx.oneUser("SELECT "+userColumns+usersOf+"WHERE u.id = ?", id)
}

// ownerOf finds the user that has a number.
func (tx *tx) ownerOf(phoneKey string) (core.User, bool) {
	return tx.oneUser("SELECT "+userColumns+usersOf+"WHERE p.phone_key = ?", phoneKey)
}

// oneUser reads a user. Where there is none it reads somebody else and forgets
// it, so that both take the same time (C-60).
func (tx *tx) oneUser(query, of string) (user core.User, found bool) {
	read := func(r *row) { user = readUser(r) }
	if tx.one(query, read, of) {
		return user, true
	}
	tx.one("SELECT "+userColumns+usersOf+"WHERE u.id > '' LIMIT 1", read)
	return core.User{}, false
}

// session finds a session and its user, living or not.
func (tx *tx) session(id string) (session core.Session, user core.User, found bool) {
	found = tx.one("SELECT "+sessionColumns+", "+userColumns+sessionsOf+"WHERE sessions.id = ?", func(r *row) {
		session, user = readSession(r), readUser(r)
	}, id)
	return session, user, found
}

func (tx *tx) challenge(id string) (challenge core.Challenge, found bool) {
	found = tx.one("SELECT "+challengeColumns+" FROM challenges WHERE id = ?", func(r *row) { challenge = readChallenge(r) }, id)
	return challenge, found
}

func (tx *tx) insertUser(u core.User) {
	tx.exec(`INSERT INTO users (id, phone_sealed, phone_masked, phone_verified_at, name, email, locale,
		password_hash, generation, disabled_at, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.Phone.Sealed, u.Phone.Masked, u.PhoneVerifiedAt, u.Name, u.Email, u.Locale,
		string(u.PasswordHash), u.Generation, u.DisabledAt, u.CreatedAt, u.UpdatedAt)
	tx.exec("INSERT INTO phones (phone_key, user_id) VALUES (?, ?)", u.Phone.Key, u.ID)
}

func (tx *tx) insertSession(s core.Session) {
	tx.exec(`INSERT INTO sessions (id, user_id, counter, secret_hash, secret_sealed, token_key_id, rotated_at,
		created_at, auth_time, last_seen_at, idle_expires_at, expires_at, ended_at, end_reason,
		device_id, label_id, label_name, label_platform, ip_address, network, user_agent,
		methods, dialect, reissue, thumbprint)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.ID, s.UserID, s.Counter, s.SecretHash, s.SecretSealed, s.TokenKeyID, s.RotatedAt,
		s.CreatedAt, s.AuthTime, s.LastSeenAt, s.IdleExpiresAt, s.ExpiresAt, s.EndedAt, s.EndReason,
		s.DeviceID, s.Device.ID, s.Device.Name, s.Device.Platform, s.IPAddress, s.Network, s.UserAgent,
		strings.Join(s.Methods, " "), s.Dialect, string(s.Reissue), s.Thumbprint)
}

func (tx *tx) insertDevice(d core.Device) {
	tx.exec(`INSERT INTO devices (id, user_id, label_id, label_name, label_platform, created_at, last_seen_at)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		d.ID, d.UserID, d.Label.ID, d.Label.Name, d.Label.Platform, d.CreatedAt, d.LastSeenAt)
}

func (tx *tx) insertChallenge(c core.Challenge) {
	tx.exec("INSERT INTO challenges ("+challengeNames+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, string(c.Purpose), string(c.Channel), c.Phone.Key, c.Phone.Sealed, c.Phone.Masked, c.Decoy,
		c.UserID, c.Generation, c.SessionID, c.DeviceID, c.Device.ID, c.Device.Name, c.Device.Platform,
		c.Pending.Name, c.Pending.Email, c.Pending.Locale, string(c.Pending.PasswordHash),
		c.CodeMAC, c.CodeLength, c.Sealed, c.GuessesLeft, c.Resends, c.ResendAt, c.CreatedAt, c.ExpiresAt,
		c.RedeemedAt, c.VoidedAt, c.BeginKey, c.BeginBody, c.VerifyKey, c.VerifyBody, c.OpenedSessionID, c.OpenedCounter,
		c.Dialect, c.Thumbprint, c.Country)
}

// queue writes a message into the outbox, due at once. One without an id is
// none.
func (tx *tx) queue(m core.Message) {
	if m.ID == "" {
		return
	}
	var challenge any
	if m.ChallengeID != "" {
		challenge = m.ChallengeID
	}
	tx.exec(`INSERT INTO messages (id, challenge_id, user_id, purpose, channel, phone_key, phone_masked,
		sealed, sealed_for, state, tries, bucket, country, price, created_at, expires_at, request_id, prefix_key, due_at,
		holder, settled_at, provider, provider_ref) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, '', '')`,
		m.ID, challenge, m.UserID, m.Purpose, string(m.Channel), m.PhoneKey, m.PhoneMasked,
		m.Sealed, m.SealedFor, string(m.State), m.Tries, m.Bucket, m.Country, int64(m.Price), m.CreatedAt, m.ExpiresAt, m.RequestID, m.PrefixKey, m.CreatedAt)
	tx.queuedMessage = true
}
