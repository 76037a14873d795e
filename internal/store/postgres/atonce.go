package postgres

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/internal/core"
)

// A guess in one trip. The statements lock and look as a judgement does, and
// right behind, they write what is plain: a wrong code that locks nothing, a
// right one that opens a session. SQL decides whether to write; judgement.weigh
// tells by what was seen how to answer. Whatever else is to be written (a lock, a
// disabled user, a new number) is done by the operation that looks first.

// openTo is a challenge that a guess is judged on: weigh in SQL, but that one
// more failure must lock nothing (by Failures.CodeLock). $1 is the challenge, $2
// the purpose, $3 the session, $4 the time, $5 the code's MACs, $6 the verify key,
// $7 (for those who write) the verify body, $8 the guesses that are not for this
// one, $9 to $12 the limits and windows of strangers and of a known device.
//
// The MACs are compared as any bytes are: whoever sends codes knows no key, so how
// far two MACs agree tells nothing of how far the codes do.
const openTo = `WITH open AS (SELECT c.*, coalesce(d.id, '') AS counter,
		NOT c.decoy AND octet_length(c.code_mac) > 0 AND c.code_mac = ANY ($5::bytea[]) AS matches
	FROM challenges c
	LEFT JOIN (devices d JOIN phones p ON p.user_id = d.user_id)
		ON d.id = c.device_id AND d.user_id = c.user_id AND p.phone_key = c.phone_key
	LEFT JOIN failures f ON f.phone_key = c.phone_key AND f.device_id = coalesce(d.id, '') AND f.method = 'sms'
	CROSS JOIN LATERAL (SELECT CASE WHEN d.id IS NULL THEN $9::bigint ELSE $11::bigint END AS most,
		CASE WHEN d.id IS NULL THEN $10::bigint ELSE $12::bigint END AS span) l
	WHERE c.id = $1 AND c.purpose = $2
		AND (c.session_id = $3 OR ($3 = '' AND c.purpose NOT IN ('phone_change', 'reauthentication')))
		AND ($3 = '' OR EXISTS (SELECT FROM sessions WHERE id = $3 AND ` + notEnded + ` AND expires_at > $4 AND idle_expires_at > $4))
		AND c.redeemed_at = 0 AND c.voided_at = 0 AND c.` + madeAfter + ` AND c.guesses_left > $8::bigint AND c.expires_at > $4::bigint
		AND ($6::bytea IS NULL OR c.verify_key IS DISTINCT FROM $6)
		AND (l.most <= 0 OR coalesce(cardinality(f.recent), 0) < l.most - 1
			OR (SELECT min(t) FROM unnest(f.recent[cardinality(f.recent) - l.most + 2:]) t) + l.span <= $4)), `

// missAtOnce is miss, with Failures.AddCode, in SQL. $13 is how many failure times
// are kept, $14 to $23 are its event.
var missAtOnce = openTo + `missed AS (UPDATE challenges c SET guesses_left = c.guesses_left - 1,
		sealed = CASE c.guesses_left WHEN 1 THEN NULL ELSE c.sealed END, verify_key = $6, verify_body = $7::bytea
		FROM open o WHERE c.id = o.id AND o.matches IS NOT TRUE
		RETURNING c.user_id, c.session_id, c.phone_masked, c.phone_key, o.counter),
	counted AS (INSERT INTO failures AS f (phone_key, device_id, method, in_row, waits_until, last_failed_at, recent)
		SELECT phone_key, counter, 'sms', 1, 0, $4, ARRAY[$4::bigint] FROM missed
		ON CONFLICT (phone_key, device_id, method) DO UPDATE SET in_row = f.in_row + 1, last_failed_at = $4,
			recent = (f.recent || $4::bigint)[greatest(1, cardinality(f.recent) + 2 - $13::bigint):]),
	told AS (` + behind(13, completed("m.user_id", "m.session_id", "coalesce(u.phone_masked, m.phone_masked)", "coalesce(p.phone_key, m.phone_key)")) + `
		FROM missed m LEFT JOIN users u ON u.id = m.user_id LEFT JOIN phones p ON p.user_id = u.id WHERE $14 <> '')
	SELECT 1 FROM missed`

// redeemAtOnce is redeem in SQL, where the account may be entered or, by a
// signup, is yet to be made. $13 is the session that is opened. All that follows in
// the trip happens if the challenge opened that session.
var redeemAtOnce = openTo + `redeemed AS (UPDATE challenges c SET redeemed_at = $4, sealed = NULL,
		pending_name = '', pending_email = '', pending_locale = '', pending_password_hash = '',
		verify_key = $6, verify_body = $7::bytea, opened_session_id = $13, account_created = (u.id IS NULL)
		FROM open o LEFT JOIN phones h ON h.phone_key = o.phone_key
		LEFT JOIN users u ON u.id = coalesce(nullif(o.user_id, ''), h.user_id)
		WHERE c.id = o.id AND o.matches AND NOT EXISTS (SELECT FROM sessions WHERE id = $13)
			AND CASE o.user_id WHEN '' THEN o.purpose = 'signup' AND coalesce(u.disabled_at, 0) = 0
				ELSE u.generation = o.generation AND u.disabled_at = 0 END
		RETURNING 1)
	SELECT 1 FROM redeemed`

// justNow is whether a challenge c ($1) was redeemed in this trip, for a session
// ($2): that is not there yet.
const justNow = "c.id = $1 AND c.opened_session_id = $2 AND NOT EXISTS (SELECT FROM sessions WHERE id = $2)"

// enteredOnce is an entrant's condition: the user of such a challenge.
const enteredOnce = `FROM users u WHERE u.id = (SELECT coalesce(nullif(c.user_id, ''), p.user_id) FROM challenges c
	LEFT JOIN phones p ON p.phone_key = c.phone_key WHERE ` + justNow + `)`

// createdOnce is such a challenge, for which the account was made.
const createdOnce = "FROM challenges c WHERE " + justNow + " AND c.account_created"

// forgivenOnce is forgive in SQL, of a stranger who entered ($11, $12). $13 is
// at how many failures a number is closed.
var forgivenOnce = `WITH entered AS (SELECT c.phone_key, u.id, u.phone_masked, p.phone_key AS has
		FROM challenges c JOIN users u ON u.id = (SELECT u.id ` + behind(10, enteredOnce) + `) JOIN phones p ON p.user_id = u.id
		WHERE c.id = $11 AND NOT EXISTS (SELECT FROM devices d
			WHERE d.id = c.device_id AND d.user_id = c.user_id AND p.phone_key = c.phone_key)),
	calmed AS (UPDATE failures f SET in_row = 0 FROM entered e
		WHERE f.phone_key = e.phone_key AND f.device_id = '' AND f.method = 'sms'),
	reopened AS (DELETE FROM failures f USING entered e WHERE f.phone_key = e.phone_key AND f.device_id = ''
		AND f.method = 'password' AND $13::bigint > 0 AND f.in_row >= $13 RETURNING e.*),
	told AS (` + completed("id", "$12", "phone_masked", "has") + `FROM reopened WHERE $1 <> '')
	SELECT 1 FROM reopened`

// once is what one trip has made of a guess.
type once struct {
	core.RedeemResult
	settled          bool // nothing is left to be done
	missed, redeemed bool // what SQL has written
}

// entering queues what a right code does at once, and gives what tells whether
// the account may be entered: matched, if so. nil: a right code is plain never.
type entering func(*tx, *judgement, *once) (standing func() core.Outcome)

// redeeming runs an operation that judges a code: at once where it is plain,
// else by looking first.
func redeeming(ctx context.Context, s *Store, doing string, g core.Guess, p core.Purpose,
	enter entering, looking func(*tx, *core.RedeemResult),
) (core.RedeemResult, error) {
	tried, err := write(ctx, s, doing, func(tx *tx, out *once) { tx.guessAtOnce(out, g, p, enter) })
	if err != nil || tried.settled {
		return tried.RedeemResult, err
	}
	return write(ctx, s, doing, looking)
}

func (tx *tx) guessAtOnce(out *once, g core.Guess, p core.Purpose, enter entering) {
	j := &judgement{Guess: g}
	var s seen
	tx.see(j, &s)
	tx.ask(missAtOnce, func(*row) { out.missed = true }, append(append(guessValues(g, p),
		g.Limits.Keep()), tx.eventValues(g.OnWrong)...)...)
	standing := func() core.Outcome { return j.Outcome }
	if enter != nil {
		standing = enter(tx, j, out)
	}
	tx.then(func() {
		if j.weigh(s, p); out.redeemed && j.Outcome == matched {
			standing()
		}
		tx.settleOnce(j, out)
	})
}

// settleOnce answers by what was seen, if all that it asks for is written.
func (tx *tx) settleOnce(j *judgement, out *once) {
	switch {
	case out.missed && j.Outcome == missed:
		j.spendGuess()
		tx.queuedEvent = tx.queuedEvent || j.OnWrong.ID != ""
	case out.redeemed && j.Outcome == matched:
		j.spend(out.Session.ID)
		j.Session, j.Outcome = out.Session, core.Done
	case out.missed || out.redeemed:
		tx.fail(fmt.Errorf("a guess was written, yet judged as %q", j.Outcome))
	case j.Outcome == missed || j.Outcome == matched || !tx.heldFor(j):
		return
	}
	out.settled, out.RedeemResult = true, j.RedeemResult
}

// heldFor tells whether the turn was held that a judgement needs.
func (tx *tx) heldFor(j *judgement) bool {
	return j.Outcome == core.NotFound || tx.numbers[j.Challenge.Phone.Key]
}

// guessValues are the parameters of openTo.
func guessValues(g core.Guess, p core.Purpose) []any {
	return []any{
		g.ChallengeID, string(p), g.SessionID, g.Now, g.CodeMACs, g.VerifyKey, g.VerifyBody, withheld(g),
		g.Limits.Strangers, g.Limits.StrangersWindow, g.Limits.Device, g.Limits.DeviceWindow,
	}
}

// enterAtOnce redeems a right code and opens its session. made queues the
// making of an account, between the two.
func (tx *tx) enterAtOnce(j *judgement, out *once, p core.Purpose, in core.SignIn, made func()) {
	challenge, session := j.ChallengeID, in.Session.ID
	tx.ask(redeemAtOnce, func(*row) { out.redeemed = true }, append(guessValues(j.Guess, p), session)...)
	made()
	tx.ask(forgivenOnce, func(*row) { tx.queuedEvent = true }, append(tx.eventValues(j.OnUnlocked), challenge, session, j.CloseAt)...)
	tx.open(in, entrant{enteredOnce, challenge, session}, bySMS, j.Now, func(s core.Session) { out.Session = s })
}

// createAtOnce makes a signup's account, if its challenge found none.
func (tx *tx) createAtOnce(j *judgement, in core.RedeemSignup) {
	u := in.User
	by := []any{j.ChallengeID, in.Session.ID}
	tx.exec(`INSERT INTO users (id, phone_sealed, phone_masked, phone_verified_at, name, email, locale,
		password_hash, generation, disabled_at, created_at, updated_at)
		SELECT $3, $4::bytea, c.phone_masked, $5::bigint, $6, $7, $8, $9, $10::bigint, $11::bigint, $5, $5 `+createdOnce,
		append(by, u.ID, u.Phone.Sealed, in.Now, u.Name, u.Email, u.Locale, string(u.PasswordHash), u.Generation, u.DisabledAt)...)
	tx.exec("INSERT INTO phones (phone_key, user_id) SELECT c.phone_key, $3 "+createdOnce, append(by, u.ID)...)
	if in.OnCreated.ID != "" {
		tx.ask(createdTold, func(*row) { tx.queuedEvent = true }, append(append(tx.eventValues(in.OnCreated), by...), u.ID)...)
	}
	tx.exec(voidSignupsOnce, j.Now, j.ChallengeID, in.Session.ID)
}

// createdTold tells of a user ($13) who was made just now.
var createdTold = completed("u.id", "$12", "u.phone_masked", "p.phone_key") + usersOf + `WHERE u.id = $13
	AND EXISTS (SELECT ` + behind(10, createdOnce) + `) RETURNING 1`

// voidSignupsOnce is voidSignups for a challenge ($2) redeemed just now ($3).
var voidSignupsOnce = voidThese + "phone_key = (SELECT phone_key FROM challenges c WHERE " + behind(1, justNow) + `)
	AND purpose = 'signup'` + stillOpen
