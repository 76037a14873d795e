package postgres

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// RedeemSignup implements core.Store.
func (s *Store) RedeemSignup(ctx context.Context, in core.RedeemSignup) (core.RedeemResult, error) {
	enter := func(tx *tx, j *judgement, out *once) func() core.Outcome {
		tx.enterAtOnce(j, out, core.PurposeSignup, in.SignIn, func() { tx.createAtOnce(j, in) })
		return func() core.Outcome { return j.signupOwner(in) }
	}
	return redeeming(ctx, s, "redeeming a signup", in.Guess, core.PurposeSignup, enter, func(tx *tx, out *core.RedeemResult) {
		j := tx.judge(in.Guess, core.PurposeSignup)
		if j.Outcome == matched {
			if j.signupOwner(in) == matched {
				tx.signUp(j, in, out)
			} else {
				tx.redeem(j, "")
			}
		}
		*out = j.RedeemResult
	})
}

// signupOwner decides whose account a matched signup opens: the one it was
// begun for, the one that came to be meanwhile, or a new one (Created).
func (j *judgement) signupOwner(in core.RedeemSignup) core.Outcome {
	if j.Challenge.UserID != "" {
		return j.standing()
	}
	switch {
	case !j.holder.found:
		j.Created, j.User = true, in.User
		j.User.Phone.Key, j.User.Phone.Masked = j.Challenge.Phone.Key, j.Challenge.Phone.Masked
		j.User.PhoneVerifiedAt, j.User.CreatedAt, j.User.UpdatedAt = in.Now, in.Now, in.Now
	case j.holder.Disabled():
		j.Outcome, j.User = core.Disabled, j.holder.User
	default:
		j.User = j.holder.User
	}
	j.owner.User = j.User
	return j.Outcome
}

func (tx *tx) signUp(j *judgement, in core.RedeemSignup, out *core.RedeemResult) {
	if j.Created {
		tx.insertUser(j.User)
		tx.tell(in.OnCreated, j.User, in.Session.ID)
	}
	tx.redeem(j, in.Session.ID)
	tx.exec(voidSignups, in.Now, j.Challenge.Phone.Key)
	tx.open(in.SignIn, as(j.User), bySMS, in.Now, func(s core.Session) { out.Session = s })
	j.Outcome = core.Done
}

// redeemMatched is the course of all redeeming operations but a signup: what is
// wrong or may not enter is answered, the rest is matched's.
func (tx *tx) redeemMatched(g core.Guess, p core.Purpose, out *core.RedeemResult, do func(*judgement)) {
	j := tx.judge(g, p)
	if j.Outcome == matched {
		if j.standing() == matched {
			do(j)
		} else {
			tx.redeem(j, "")
		}
	}
	*out = j.RedeemResult
}

// RedeemLogin implements core.Store.
func (s *Store) RedeemLogin(ctx context.Context, in core.RedeemLogin) (core.RedeemResult, error) {
	enter := func(tx *tx, j *judgement, out *once) func() core.Outcome {
		tx.enterAtOnce(j, out, core.PurposeLogin, in.SignIn, func() {})
		return j.standing
	}
	return redeeming(ctx, s, "redeeming a login", in.Guess, core.PurposeLogin, enter, func(tx *tx, out *core.RedeemResult) {
		tx.redeemMatched(in.Guess, core.PurposeLogin, out, func(j *judgement) {
			tx.redeem(j, in.Session.ID)
			tx.open(in.SignIn, as(j.User), bySMS, in.Now, func(s core.Session) { out.Session = s })
			j.Outcome = core.Done
		})
	})
}

// RedeemReauthentication implements core.Store.
func (s *Store) RedeemReauthentication(ctx context.Context, in core.RedeemReauthentication) (core.RedeemResult, error) {
	return redeeming(ctx, s, "redeeming a reauthentication", in.Guess, core.PurposeReauthentication, nil, func(tx *tx, out *core.RedeemResult) {
		tx.redeemMatched(in.Guess, core.PurposeReauthentication, out, func(j *judgement) {
			j.Session = tx.confirm(j.bearer, core.MethodSMS, in.TokenKeyID, in.Now)
			tx.proveDevice(j.Session.DeviceID, in.Now)
			j.Challenge.OpenedCounter = j.Session.Counter
			tx.redeem(j, in.SessionID)
			tx.tell(in.OnConfirmed, j.User, in.SessionID)
			j.Outcome = core.Done
		})
	})
}

// MatchReset implements core.Store.
func (s *Store) MatchReset(ctx context.Context, in core.MatchReset) (out core.MatchResetResult, err error) {
	out.RedeemResult, err = redeeming(ctx, s, "matching a reset", in.Guess, core.PurposePasswordReset, nil, func(tx *tx, found *core.RedeemResult) {
		out.History = nil // of an earlier try
		tx.redeemMatched(in.Guess, core.PurposePasswordReset, found, func(j *judgement) {
			j.Outcome = core.Done
			tx.history(&out.History, j.User)
		})
	})
	return out, err
}

// RedeemReset implements core.Store.
func (s *Store) RedeemReset(ctx context.Context, in core.RedeemReset) (core.RedeemResult, error) {
	return redeeming(ctx, s, "redeeming a reset", in.Guess, core.PurposePasswordReset, nil, func(tx *tx, out *core.RedeemResult) {
		tx.redeemMatched(in.Guess, core.PurposePasswordReset, out, func(j *judgement) {
			tx.redeem(j, in.Session.ID)
			tx.exec(voidOfUser, in.Now, j.User.ID)
			tx.exec(voidOfNumber, in.Now, j.Challenge.Phone.Key)
			tx.endAll(j.User.ID, "", "password_reset", in.Now)
			tx.exec("DELETE FROM devices WHERE user_id = $1", j.User.ID)
			j.User = tx.setPassword(j.User, in.Hash, in.HistoryKeep, in.Now)
			tx.queue(in.Notice)
			tx.tell(in.OnReset, j.User, in.Session.ID)
			tx.open(in.SignIn, as(j.User), bySMS, in.Now, func(s core.Session) { out.Session = s })
			j.Outcome = core.Done
		})
	})
}

// RedeemPhoneChange implements core.Store.
func (s *Store) RedeemPhoneChange(ctx context.Context, in core.RedeemPhoneChange) (core.RedeemResult, error) {
	return redeeming(ctx, s, "redeeming a phone change", in.Guess, core.PurposePhoneChange, nil, func(tx *tx, out *core.RedeemResult) {
		tx.redeemMatched(in.Guess, core.PurposePhoneChange, out, func(j *judgement) {
			var taken bool
			tx.exists(&taken, "SELECT FROM phones WHERE phone_key = $1 AND user_id <> $2", j.Challenge.Phone.Key, j.User.ID)
			if tx.look(); taken {
				tx.redeem(j, "")
				j.Outcome, j.User = core.Taken, core.User{}
				return
			}
			if tx.mustHold(j.User.Phone.Key) {
				tx.redeem(j, in.SessionID)
				tx.movePhone(j, in)
				tx.queue(in.Notice)
				tx.tell(in.OnChanged, j.User, in.SessionID)
				j.Outcome = core.Done
			}
		})
	})
}

// movePhone gives the user the challenge's number, and ends all that stood on
// the old one but the session that asked.
func (tx *tx) movePhone(j *judgement, in core.RedeemPhoneChange) {
	before := j.User
	j.User.Phone = core.SealedPhone{Key: j.Challenge.Phone.Key, Sealed: in.Phone.Sealed, Masked: j.Challenge.Phone.Masked}
	j.User.PhoneVerifiedAt, j.User.UpdatedAt = in.Now, in.Now
	j.User.Generation++
	tx.exec("UPDATE phones SET phone_key = $1 WHERE user_id = $2", j.User.Phone.Key, j.User.ID)
	tx.exec(`UPDATE users SET phone_sealed = $1, phone_masked = $2, phone_verified_at = $3, updated_at = $3, generation = $4
		WHERE id = $5`, j.User.Phone.Sealed, j.User.Phone.Masked, in.Now, j.User.Generation, j.User.ID)

	tx.exec(voidOfUser, in.Now, j.User.ID)
	tx.exec(voidOfNumber, in.Now, before.Phone.Key)
	tx.exec(voidOfNumber, in.Now, j.User.Phone.Key)
	tx.endAll(j.User.ID, in.SessionID, "phone_change", in.Now)
	tx.exec("DELETE FROM devices WHERE user_id = $1 AND id <> $2", j.User.ID, j.bearer.DeviceID)
}
