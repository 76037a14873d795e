package sqlite

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// RedeemSignup implements core.Store.
func (s *Store) RedeemSignup(ctx context.Context, in core.RedeemSignup) (core.RedeemResult, error) {
	return write(ctx, s, "redeeming a signup", func(tx *tx) core.RedeemResult {
		j := tx.judge(in.Guess, core.PurposeSignup)
		if j.Outcome != matched {
			return j.RedeemResult
		}
		if tx.signupOwner(j, in) != matched {
			tx.redeem(j, "")
			return j.RedeemResult
		}
		if j.Created {
			tx.insertUser(j.User)
			tx.tell(in.OnCreated, j.User, in.Session.ID)
		}
		tx.redeem(j, in.Session.ID)
		tx.exec(voidSignups, in.Now, j.Challenge.Phone.Key)
		j.Session = tx.open(in.SignIn, j.User, bySMS, in.Now)
		j.Outcome = core.Done
		return j.RedeemResult
	})
}

// signupOwner decides whose account a matched signup opens: the one it was
// begun for, the one that came to be meanwhile, or a new one (Created).
func (tx *tx) signupOwner(j *judgement, in core.RedeemSignup) core.Outcome {
	if j.Challenge.UserID != "" {
		return j.standing()
	}
	owner, found := tx.ownerOf(j.Challenge.Phone.Key)
	switch {
	case !found:
		j.Created, j.User = true, in.User
		j.User.Phone.Key, j.User.Phone.Masked = j.Challenge.Phone.Key, j.Challenge.Phone.Masked
		j.User.PhoneVerifiedAt, j.User.CreatedAt, j.User.UpdatedAt = in.Now, in.Now, in.Now
	case owner.Disabled():
		j.Outcome, j.User = core.Disabled, owner
	default:
		j.User = owner
	}
	j.owner = j.User
	return j.Outcome
}

// RedeemLogin implements core.Store.
func (s *Store) RedeemLogin(ctx context.Context, in core.RedeemLogin) (core.RedeemResult, error) {
	return write(ctx, s, "redeeming a login", func(tx *tx) core.RedeemResult {
		j := tx.judge(in.Guess, core.PurposeLogin)
		if j.Outcome != matched {
			return j.RedeemResult
		}
		if j.standing() != matched {
			tx.redeem(j, "")
			return j.RedeemResult
		}
		tx.redeem(j, in.Session.ID)
		j.Session = tx.open(in.SignIn, j.User, bySMS, in.Now)
		j.Outcome = core.Done
		return j.RedeemResult
	})
}

// RedeemReauthentication implements core.Store.
func (s *Store) RedeemReauthentication(ctx context.Context, in core.RedeemReauthentication) (core.RedeemResult, error) {
	return write(ctx, s, "redeeming a reauthentication", func(tx *tx) core.RedeemResult {
		j := tx.judge(in.Guess, core.PurposeReauthentication)
		if j.Outcome != matched {
			return j.RedeemResult
		}
		if j.standing() != matched {
			tx.redeem(j, "")
			return j.RedeemResult
		}
		renewed, _, _ := tx.session(in.SessionID)
		j.Challenge.OpenedCounter = renewed.Counter + 1
		tx.redeem(j, in.SessionID)
		j.Session = tx.confirm(in.SessionID, core.MethodSMS, in.TokenKeyID, in.Now)
		tx.proveDevice(j.Session.DeviceID, in.Now)
		tx.tell(in.OnConfirmed, j.User, in.SessionID)
		j.Outcome = core.Done
		return j.RedeemResult
	})
}

// MatchReset implements core.Store.
func (s *Store) MatchReset(ctx context.Context, in core.MatchReset) (core.MatchResetResult, error) {
	return write(ctx, s, "matching a reset", func(tx *tx) core.MatchResetResult {
		j := tx.judge(in.Guess, core.PurposePasswordReset)
		if j.Outcome != matched {
			return core.MatchResetResult{RedeemResult: j.RedeemResult}
		}
		if j.standing() != matched {
			tx.redeem(j, "")
			return core.MatchResetResult{RedeemResult: j.RedeemResult}
		}
		j.Outcome = core.Done
		return core.MatchResetResult{RedeemResult: j.RedeemResult, History: tx.history(j.User)}
	})
}

// RedeemReset implements core.Store.
func (s *Store) RedeemReset(ctx context.Context, in core.RedeemReset) (core.RedeemResult, error) {
	return write(ctx, s, "redeeming a reset", func(tx *tx) core.RedeemResult {
		j := tx.judge(in.Guess, core.PurposePasswordReset)
		if j.Outcome != matched {
			return j.RedeemResult
		}
		if j.standing() != matched {
			tx.redeem(j, "")
			return j.RedeemResult
		}
		tx.redeem(j, in.Session.ID)
		tx.endAll(j.User.ID, "", "password_reset", in.Now)
		tx.exec("DELETE FROM devices WHERE user_id = ?", j.User.ID)
		tx.exec(voidOfUser, in.Now, j.User.ID)
		tx.exec(voidOfNumber, in.Now, j.Challenge.Phone.Key)
		j.User = tx.setPassword(j.User, in.Hash, in.HistoryKeep, in.Now)
		tx.queue(in.Notice)
		tx.tell(in.OnReset, j.User, in.Session.ID)
		j.Session = tx.open(in.SignIn, j.User, bySMS, in.Now)
		j.Outcome = core.Done
		return j.RedeemResult
	})
}

// RedeemPhoneChange implements core.Store.
func (s *Store) RedeemPhoneChange(ctx context.Context, in core.RedeemPhoneChange) (core.RedeemResult, error) {
	return write(ctx, s, "redeeming a phone change", func(tx *tx) core.RedeemResult {
		j := tx.judge(in.Guess, core.PurposePhoneChange)
		if j.Outcome != matched {
			return j.RedeemResult
		}
		if j.standing() != matched {
			tx.redeem(j, "")
			return j.RedeemResult
		}
		if owner, found := tx.ownerOf(j.Challenge.Phone.Key); found && owner.ID != j.User.ID {
			tx.redeem(j, "")
			j.Outcome, j.User = core.Taken, core.User{}
			return j.RedeemResult
		}
		tx.redeem(j, in.SessionID)
		tx.movePhone(j, in)
		tx.queue(in.Notice)
		tx.tell(in.OnChanged, j.User, in.SessionID)
		j.Outcome = core.Done
		return j.RedeemResult
	})
}

// movePhone gives the user the challenge's number, and ends all that stood on
// the old one but the session that asked.
func (tx *tx) movePhone(j *judgement, in core.RedeemPhoneChange) {
	before := j.User
	j.User.Phone = core.SealedPhone{Key: j.Challenge.Phone.Key, Sealed: in.Phone.Sealed, Masked: j.Challenge.Phone.Masked}
	j.User.PhoneVerifiedAt, j.User.UpdatedAt = in.Now, in.Now
	j.User.Generation++
	tx.exec("UPDATE phones SET phone_key = ? WHERE user_id = ?", j.User.Phone.Key, j.User.ID)
	tx.exec(`UPDATE users SET phone_sealed = ?, phone_masked = ?, phone_verified_at = ?, updated_at = ?, generation = ?
		WHERE id = ?`, j.User.Phone.Sealed, j.User.Phone.Masked, in.Now, in.Now, j.User.Generation, j.User.ID)

	tx.endAll(j.User.ID, in.SessionID, "phone_change", in.Now)
	tx.exec("DELETE FROM devices WHERE user_id = ?1 AND id <> (SELECT device_id FROM sessions WHERE id = ?2)",
		j.User.ID, in.SessionID)
	tx.exec(voidOfUser, in.Now, j.User.ID)
	tx.exec(voidOfNumber, in.Now, before.Phone.Key)
	tx.exec(voidOfNumber, in.Now, j.User.Phone.Key)
}
