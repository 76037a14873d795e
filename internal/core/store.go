package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/password"
)

// Store keeps everything, in whole operations. Each operation is atomic and
// durable when it returns, carries its events and its message, and compares
// what it changes in the step that changes it. Once begun it runs to its end,
// even if the context ends meanwhile.
//
// What is expected to happen (a wrong code, a lock, an ended session) is an
// Outcome: a value, and what it counted is committed. An error means that
// nothing happened, or, where it is ErrUncertain, that the commit's answer was
// lost.
//
// An operation gets the time, ready-made ids and events, and never a function.
// An event whose ID is empty is not written. Where the flow could not know
// them, the operation completes an event that it writes: UserID, SessionID,
// PhoneNumber and PhonePseudonym (of the user), when these are empty.
//
// On behalf of a session, an operation refuses with SessionEnded when that
// session has ended by the time given.
//
// storetest.Run is the definition of this interface.
type Store interface {
	// Beginning and redeeming challenges.

	OpenChallenge(context.Context, OpenChallenge) (OpenChallengeResult, error)
	ResendChallenge(context.Context, ResendChallenge) (ResendChallengeResult, error)
	RedeemSignup(context.Context, RedeemSignup) (RedeemResult, error)
	RedeemLogin(context.Context, RedeemLogin) (RedeemResult, error)
	RedeemReauthentication(context.Context, RedeemReauthentication) (RedeemResult, error)
	MatchReset(context.Context, MatchReset) (MatchResetResult, error)
	RedeemReset(context.Context, RedeemReset) (RedeemResult, error)
	RedeemPhoneChange(context.Context, RedeemPhoneChange) (RedeemResult, error)

	// Passwords.

	TryPassword(context.Context, TryPassword) (TryPasswordResult, error)
	FailPassword(context.Context, FailPassword) error
	PassPassword(context.Context, TriedPassword) error
	OpenSession(context.Context, OpenSession) (SessionResult, error)
	ConfirmSession(context.Context, ConfirmSession) (SessionResult, error)
	SetPassword(context.Context, SetPassword) (Outcome, error)

	// Sessions.

	RotateSession(context.Context, RotateSession) (SessionResult, error)
	EndSessions(context.Context, EndSessions) (Outcome, error)
	EndAllSessions(context.Context, EndAllSessions) (until time.Time, err error)

	// Accounts.

	EditUser(context.Context, EditUser) (EditUserResult, error)
	DeleteUser(context.Context, DeleteUser) (Outcome, error)
	DisableUser(context.Context, ChangeUser) (Outcome, error)
	EnableUser(context.Context, ChangeUser) (Outcome, error)
	UnlockNumber(context.Context, UnlockNumber) error

	// The outbox.

	// ClaimMessages leases queued and withheld messages that are due and not
	// settled, oldest first, and counts a try of each. A message of a challenge gets the challenge's Sealed, and
	// SealedFor its id. Those past ExpiresAt, or whose challenge has ended, become
	// MessageExpired instead; those tried MaxSendTries times, MessageFailed.
	ClaimMessages(context.Context, ClaimMessages) (Claimed, error)
	BeginAttempts(context.Context, BeginAttempts) error
	SettleMessage(context.Context, SettleMessage) (Outcome, error)
	RecordReceipt(context.Context, RecordReceipt) (RecordReceiptResult, error)
	ClaimEvents(ctx context.Context, sink string, claim Claim) ([]event.Event, error)
	SettleEvents(context.Context, SettleEvents) (Outcome, error)

	// Keys and upkeep. AddKey answers Done, or Taken when the slot (or id) has a
	// key; ResealKey Done, or Stale when the key is no longer sealed as old;
	// DropKey Done, or NotFound when there is none. A dropped key's slot is free.

	AddKey(context.Context, keyring.StoredKey) (Outcome, error)
	ResealKey(ctx context.Context, id string, old, new []byte) (Outcome, error)
	DropKey(ctx context.Context, id string) (Outcome, error)
	Sweep(context.Context, Sweep) (more bool, err error)
	AddRollups(context.Context, AddRollups) error

	// Attend keeps that an instance is there, or that it leaves, and tells how
	// many are, and what time it is where they share a database.
	Attend(context.Context, Attend) (Attended, error)

	// API keys. AddAPIKey answers Done, or Taken when a living key has the name;
	// RevokeAPIKey Done, or NotFound when there is none or it is revoked already.

	AddAPIKey(context.Context, AddAPIKey) (Outcome, error)
	RevokeAPIKey(context.Context, RevokeAPIKey) (Outcome, error)

	// MessagesQueued and EventsQueued get a value soon after something was
	// queued: a hint, behind which whoever claims polls.
	MessagesQueued() <-chan struct{}
	EventsQueued() <-chan struct{}

	// Reads. Where there is no such row they answer ErrNotFound.

	Challenge(ctx context.Context, id string) (Challenge, error)
	Begun(ctx context.Context, key []byte) (Challenge, error) // by its BeginKey; nil finds none
	Number(ctx context.Context, key, deviceID string) (NumberState, error)
	User(ctx context.Context, id string) (User, error)
	Session(ctx context.Context, id string) (Session, User, error)
	Sessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
	UserEvents(ctx context.Context, userID string, page Page) ([]event.Event, error)
	Messages(ctx context.Context, phoneKey string, limit int) ([]Message, error)
	FindMessages(context.Context, MessageQuery) ([]Message, error) // without their texts
	Routes(context.Context, RouteQuery) ([]RouteStat, error)       // sorted by what they are of
	PasswordHistory(ctx context.Context, userID string) ([]password.Hash, error)
	Keys(context.Context) ([]keyring.StoredKey, error)
	LogHead(ctx context.Context, log string) (event.Head, error)
	APIKey(ctx context.Context, hash []byte) (APIKey, error) // a revoked or expired one too
	APIKeys(context.Context) ([]APIKey, error)               // the oldest first
	Spending(ctx context.Context, now time.Time) ([]Spending, error)
	Stats(context.Context, StatsQuery) ([]event.Rollup, error)
	Queues(ctx context.Context, now time.Time) (Queues, error)
	Ping(context.Context) error // reads and writes: a full disk is told
}

// Outcome is how an operation ended, when it ended as it may.
type Outcome string

// The outcomes. Each operation names those it may have.
const (
	Done     Outcome = "done"      // it did what it is there for
	Repeated Outcome = "repeated"  // it was done before by the same request; told again
	NotFound Outcome = "not_found" // there is no such thing

	Wrong       Outcome = "wrong"        // the code is not the challenge's; counted
	Expired     Outcome = "expired"      // the challenge's time is over; nothing counted
	Spent       Outcome = "spent"        // redeemed, voided or out of guesses; nothing counted
	Locked      Outcome = "locked"       // too many failures of this number; nothing evaluated, nothing counted
	TooEarly    Outcome = "too_early"    // not before RetryAt, or never again
	Limited     Outcome = "limited"      // too many messages to this number; nothing written
	KeyConflict Outcome = "key_conflict" // the idempotency key was used with another body

	Disabled     Outcome = "disabled"      // the secret was right, the account is disabled
	Stale        Outcome = "stale"         // what the caller proved has been replaced since
	SessionEnded Outcome = "session_ended" // the session acted for, or rotated, is over
	Reused       Outcome = "reused"        // an old refresh token: the session is ended now
	Taken        Outcome = "taken"         // the number belongs to another user
	NotHolder    Outcome = "not_holder"    // the claim has passed to somebody else
)

// CodeLimits bounds the failed codes of one number (C-40, C-42): strangers
// together, and each known device by itself. The zero value counts and never
// locks.
type CodeLimits struct {
	Strangers       int
	StrangersWindow time.Duration
	Device          int
	DeviceWindow    time.Duration
}

// PasswordLimits bounds the failed passwords of one number (C-41, C-42). The
// zero value counts and never locks.
type PasswordLimits struct {
	Free         int           // failures in a row without a wait
	FirstDelay   time.Duration // the wait after that many, doubling with each more
	MaxDelay     time.Duration
	Close        int // failures in a row that close the number to strangers
	Device       int // failures of a known device in any DeviceWindow
	DeviceWindow time.Duration
}

// OpenChallenge begins a challenge. It voids nobody else's (C-09).
//
// With BeginKey set, a challenge begun with the same key less than KeyLife ago
// is found instead: Repeated (it is returned, nothing is written) when its
// BeginBody is the same, else KeyConflict. An older one loses its key.
//
// Otherwise the sends to the number are counted as Sends says.
//
// Outcomes: Done, Repeated, KeyConflict, Limited (with RetryAt and Limit),
// SessionEnded (Challenge.SessionID has ended).
type OpenChallenge struct {
	Challenge Challenge
	Message   Message // State MessageWithheld for a decoy, else MessageQueued
	Sends     SendLimits
	KeyLife   time.Duration
	Now       time.Time
	Event     event.Event
}

// OpenChallengeResult tells the challenge as it stands.
type OpenChallengeResult struct {
	Outcome   Outcome
	Challenge Challenge // not for Limited
	RetryAt   time.Time // Limited: when the number may be sent to again
	Limit     SendLimit // Limited: which one
	Bucket    string    // Done: under which the message was counted
}

// ResendChallenge queues the sealed code of an open challenge again. It
// extends neither life nor guesses (C-02). The sends to the number are counted
// as Sends says, once the challenge itself would allow the resend.
//
// Outcomes: Done; Limited (with RetryAt and Limit); TooEarly (before ResendAt; or none is left, ResendAt zero;
// or Resends is no longer what the caller saw); Expired; Spent; NotFound.
// Result.Challenge is as it stands (not for NotFound).
type ResendChallenge struct {
	ID           string
	Resends      int       // as the caller saw it
	NextResendAt time.Time // zero: this was the last
	Message      Message   // withheld where the challenge is a decoy, whatever its State says; its Channel is the challenge's from now on
	Sends        SendLimits
	Now          time.Time
	Event        event.Event
}

// ResendChallengeResult tells the challenge as it stands.
type ResendChallengeResult struct {
	Outcome   Outcome
	Challenge Challenge
	RetryAt   time.Time // Limited
	Limit     SendLimit // Limited
	Bucket    string    // Done
}

// Guess is the part that all operations which judge a code share. Claiming
// the guess and judging it are one step (C-03). The order:
//
//  1. no such challenge, or another purpose, or (SessionID set) begun by
//     another session: NotFound; an ended SessionID: SessionEnded
//  2. redeemed before: less than KeyLife ago with the same VerifyKey,
//     VerifyBody and a matching code, while the session that it opened or renewed lives and has not been
//     refreshed since (a phone change: while the user has that number):
//     Repeated; with the same VerifyKey and another body: KeyConflict; else
//     Spent. Not redeemed, but missed with the same VerifyKey last: Wrong again,
//     nothing counted; with another body: KeyConflict
//  3. voided, no guess left, or Most of them evaluated: Spent. At or after
//     ExpiresAt: Expired
//  4. the number's failed codes at their limit: Locked, with RetryAt. The
//     counter is that of Challenge.DeviceID while this device exists and is
//     Challenge.UserID's, and the number is this user's too (to the number that
//     a phone change goes to the user is a stranger); else the strangers'
//  5. a decoy, or no CodeMACs entry equal (in constant time): Wrong. One guess
//     less, one failure more of that counter; the last guess also drops the
//     sealed message. OnWrong is written, and OnLocked (with attributes
//     failed_attempts and lock_seconds, the whole seconds until the next try,
//     rounded up) when this failure reached the limit
//  6. matched: the operation's own work. The challenge is redeemed, its sealed
//     message dropped. A stranger's success sets the number's count of
//     failures since a success back (C-11; not its window), and reopens a
//     number closed for passwords, with OnUnlocked
type Guess struct {
	ChallengeID string
	CodeMACs    [][]byte // the code as each master key would have it
	SessionID   string   // the bearer's; "" where none is needed
	VerifyKey   []byte   // keyed hashes of Idempotency-Key and body; nil: none
	VerifyBody  []byte
	KeyLife     time.Duration
	Limits      CodeLimits
	CloseAt     int // PasswordLimits.Close: at this count the number is closed
	Now         time.Time

	// Most: no more than so many guesses of this challenge are evaluated in all;
	// past it Spent. 0: MaxGuesses.
	Most int

	OnWrong    event.Event
	OnLocked   event.Event
	OnUnlocked event.Event
}

// SignIn is the part that all operations which open a session share.
//
// The device is KnownDevice while it exists and is the user's (its label and
// LastSeenAt are renewed), else Device is added; the session gets its id. A code
// that opens a session proves its device, once and for all (NumberState).
// Past MaxSessions living sessions the longest unseen one ends, with OnSurplus
// (EndReason and event reason: "surplus"; its SessionID is the ended one's).
type SignIn struct {
	Session     Session // UserID and DeviceID are the operation's to set
	Device      Device  // UserID is the operation's to set
	KnownDevice string  // "" for none

	OnSignedIn  event.Event
	OnSurplus   event.Event
	MaxSessions int
}

// RedeemResult is the answer of every operation that judges a code.
type RedeemResult struct {
	Outcome     Outcome
	GuessesLeft int       // Wrong: how many more would be evaluated under the same Most
	RetryAt     time.Time // Locked
	Challenge   Challenge // as it stands; not for NotFound
	User        User      // Done, Repeated, Disabled
	Session     Session   // Done, Repeated; not for RedeemPhoneChange
	Created     bool      // RedeemSignup made the account (also when Repeated)
}

// RedeemSignup opens a session for the account of the challenge's number and
// makes that account, from User, where there is none. Every other open signup
// of the number is voided. A password and profile that waited are dropped
// where the account existed (C-55).
//
// Outcomes: those of Guess; Done; Disabled (the code is spent, no session);
// Stale when the challenge was begun for an account (UserID) whose Generation
// has changed since, or which is gone: the code is spent.
type RedeemSignup struct {
	Guess
	SignIn
	User      User        // ready-made; PhoneVerifiedAt, CreatedAt, UpdatedAt are Now
	OnCreated event.Event // written, and OnSignedIn, when the account is made
}

// RedeemLogin opens a session for the challenge's user. Outcomes as RedeemSignup.
type RedeemLogin struct {
	Guess
	SignIn
}

// RedeemReauthentication renews AuthTime of the session that began the
// challenge, adds MethodSMS and raises Counter (RotatedAt is Now, TokenKeyID
// is set); the secret stays. Outcomes: those of Guess; Done; Stale.
type RedeemReauthentication struct {
	Guess
	TokenKeyID  string
	OnConfirmed event.Event
}

// MatchReset judges a reset's code and spends nothing when it matches, but
// tells what the new password must be checked against.
// Outcomes: those of Guess (Repeated and KeyConflict too); Done; Disabled;
// Stale. Disabled and Stale spend the code.
type MatchReset struct{ Guess }

// MatchResetResult is MatchReset's answer.
type MatchResetResult struct {
	RedeemResult
	History []password.Hash // the current hash first, then earlier ones
}

// RedeemReset sets a new password and ends everything else: all sessions,
// devices and open challenges of the user and of the number; the generation
// rises. Notice is queued for the owner. Then a session is opened, on a new
// device. Outcomes as RedeemLogin. Hash joins the history, which keeps
// HistoryKeep hashes (the current one among them).
type RedeemReset struct {
	Guess
	SignIn
	Hash        password.Hash
	HistoryKeep int
	Notice      Message
	OnReset     event.Event
}

// RedeemPhoneChange moves the user that began the challenge to its number.
// All other sessions, all other devices than the session's, and the open
// challenges of both numbers and of the user end; the generation rises. Notice
// is queued for the old number. Failure counts stay with their numbers.
//
// Outcomes: those of Guess; Done (User is the changed one); Taken (the code is
// spent, nothing else changed); Stale.
type RedeemPhoneChange struct {
	Guess
	Phone     SealedPhone // the new number, sealed for the user's id
	Notice    Message
	OnChanged event.Event
}

// TryPassword counts a failure ahead, so that no crash and no concurrency
// evaluates more than is allowed, and tells the hash to judge by. It does the
// same work for a number without an account.
//
// The counter is that of DeviceID while this device exists and belongs to the
// number's user, else the strangers'. A counter in a wait, closed, or (a
// device's) at its limit in the window: Locked, with RetryAt, nothing counted.
// Otherwise failures in a row rise by one, to n; from n >= Limits.Free on the
// counter waits min(MaxDelay, FirstDelay << (n - Free)) from now; at n >= Close
// strangers are closed (RetryAt is then Now + MaxDelay).
// OnUnlocked is written when the try follows a wait that has run out.
//
// Outcomes: Done, Locked, SessionEnded.
type TryPassword struct {
	PhoneKey  string
	DeviceID  string
	SessionID string // acted for; "" at a login
	Limits    PasswordLimits
	Now       time.Time

	OnUnlocked event.Event
}

// TryPasswordResult tells what to judge by.
type TryPasswordResult struct {
	Outcome     Outcome
	RetryAt     time.Time // Locked
	Found       bool      // there is such a user
	User        User
	KnownDevice bool      // the try stands on the device's counter
	Failures    int       // in a row, this one ahead included
	LockedUntil time.Time // the wait this try earns if it fails; zero: none
}

// FailPassword tells of a try that was wrong. The counting was done ahead.
type FailPassword struct {
	Now      time.Time
	OnFailed event.Event
	OnLocked event.Event // empty where no wait was earned
}

// TriedPassword names the counter that a right password was tried under; it
// is set to zero. Device counters lose their window too. PassPassword does this
// alone, where nothing else comes of a right password.
type TriedPassword struct {
	PhoneKey    string
	DeviceID    string
	KnownDevice bool
}

// OpenSession opens a session after a right password, only while the user's
// generation is still Generation. Upgraded, if any, replaces the user's hash
// without entering the history.
// Outcomes: Done, Stale, Disabled (no session; OnDisabled is written; the
// counter is cleared all the same).
type OpenSession struct {
	SignIn
	UserID     string
	Generation int64
	Tried      TriedPassword
	Upgraded   password.Hash
	Now        time.Time
	OnDisabled event.Event
}
