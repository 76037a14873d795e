package core

import (
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/password"
)

// This file goes on from store.go: the operations on sessions and accounts, and
// those of the outbox and of upkeep.

// SessionResult is the answer of operations on one session.
type SessionResult struct {
	Outcome Outcome
	Session Session
	User    User
}

// ConfirmSession renews AuthTime after a right password, adds MethodPassword
// and raises Counter (RotatedAt is Now, TokenKeyID is set); the secret stays.
// Outcomes: Done, Stale, SessionEnded.
type ConfirmSession struct {
	SessionID   string
	Generation  int64
	TokenKeyID  string
	Tried       TriedPassword
	Upgraded    password.Hash
	Now         time.Time
	OnConfirmed event.Event
}

// SetPassword sets a password only under the same generation, raises it, ends
// the user's other sessions and voids the user's open challenges (pending phone
// changes among them). Tried is cleared where Tried.PhoneKey is set.
// Outcomes: Done, Stale, SessionEnded.
type SetPassword struct {
	SessionID   string
	Generation  int64
	Hash        password.Hash
	HistoryKeep int
	Tried       TriedPassword
	Now         time.Time
	OnChanged   event.Event
}

// RotateSession is one conditional UPDATE of one row: Done when Counter is the
// current one, SecretHash is the session's and the session lives. Counter,
// RotatedAt, LastSeenAt, IdleExpiresAt (Now + IdleTimeout, never past
// ExpiresAt), IPAddress, Network, UserAgent and TokenKeyID change; OnMoved is
// written when Network and UserAgent both differ from before (C-34).
//
// Otherwise, with the right secret: the predecessor (Counter is one less) is
// Repeated, and changes nothing, while Now is before RotatedAt + Grace, or
// later where the session's Reissue is ReissueAny, or its DeviceID is DeviceID,
// or its Thumbprint is not empty and is Thumbprint. Any other older counter is
// Reused: the session ends, with OnReused. An ended or lapsed session is
// SessionEnded (its row is returned); a wrong secret, a counter ahead of the
// row, or no row is NotFound. A session bound to a Thumbprint is NotFound for
// any other Thumbprint, and this is not reuse.
type RotateSession struct {
	SessionID   string
	Counter     int64
	SecretHash  []byte
	DeviceID    string // of a device token shown and verified; "" for none
	Thumbprint  string
	TokenKeyID  string
	Grace       time.Duration
	IdleTimeout time.Duration
	IPAddress   string
	Network     string
	UserAgent   string
	Now         time.Time
	OnMoved     event.Event
	OnReused    event.Event
}

// Scope says which of a user's sessions end.
type Scope string

// The scopes.
const (
	ScopeOne    Scope = "one"    // TargetID
	ScopeOthers Scope = "others" // all but SessionID
	ScopeAll    Scope = "all"    // all; the user's devices go, open challenges are voided
)

// EndSessions ends one, the others or all of a user's sessions. Others and All
// raise the generation and void the user's open phone changes.
//
// On behalf of SessionID (UserID is its user) unless SessionID is empty, when
// TargetID alone names the session and SecretHash, if set, must be its secret's.
// TargetID of another user, unknown or ended: NotFound.
// Event is written once, with attribute ended_sessions when the scope is not
// ScopeOne. Outcomes: Done, NotFound, SessionEnded.
type EndSessions struct {
	SessionID  string
	Scope      Scope
	TargetID   string
	SecretHash []byte
	Reason     string // the sessions' EndReason
	Now        time.Time
	Event      event.Event
}

// EndAllSessions ends everybody's sessions and challenges that were made (CreatedAt)
// at or before Now, in one small write however many they are: from then on they
// read and are judged as ended at that time, the sessions with EndReason
// EndedWithAll. So do those that are written later with such a time: a sign-in
// that was under way makes no session that lives. What waits to be sent of such a
// challenge expires. Devices, failure counts, API keys and notices stay.
//
// The time is kept for good and only moves forward: an earlier Now changes
// nothing. It is given as it stands then.
type EndAllSessions struct {
	Now   time.Time
	Event event.Event
}

// EditUser changes the profile. A nil member stays. Outcomes: Done, SessionEnded.
type EditUser struct {
	SessionID           string
	Name, Email, Locale *string
	Now                 time.Time
	Event               event.Event
}

// EditUserResult is the changed user.
type EditUserResult struct {
	Outcome Outcome
	User    User
}

// DeleteUser erases the account of SessionID: user, hashes, sessions, devices,
// challenges (the user's, and those to the number) and messages. Events stay: they
// are pseudonymous (C-101). So does what SendLimits count: of the challenges'
// messages of the last 24 h, no more than pseudonym, bucket, times and whether a
// wait counts them (nobody can delete an account to be sent to anew, C-39). They
// are settled, belong to no challenge, and Sweep drops them when they are 24 h old.
// Outcomes: Done, SessionEnded.
type DeleteUser struct {
	SessionID string
	Now       time.Time
	Event     event.Event
}

// ChangeUser disables a user (ends its sessions, voids its challenges and its
// number's, raises the generation, all at once) or enables it (sessions stay
// ended). Outcomes: Done, NotFound.
type ChangeUser struct {
	UserID string
	Now    time.Time
	Event  event.Event
}

// UnlockNumber clears all failure counts of a number, its devices' too.
type UnlockNumber struct {
	PhoneKey string
	Now      time.Time
	Event    event.Event
}

// Claim asks for work that is due and not held by another.
type Claim struct {
	Holder string // who asks: an id of this run
	Limit  int
	Lease  time.Duration // after it others may claim the same
	Now    time.Time

	// FromNow tells that a sink which was never seen only watches: it begins with
	// the events to come, in place of all that are kept, and keeps no Head; Sweep
	// does not wait for it.
	FromNow bool
}

// SettleMessage records what became of a claimed message: MessageSent,
// MessageFailed, MessageWithheld (of a withheld one), or MessageQueued with
// RetryAt. A message that is not queued again loses its text. The price that its
// claim reserved becomes Cost, where that is known.
//
// It ends the newest attempt by Provider, or one that nobody had begun; none where
// no provider was asked. What a receipt told before stays: a delivered message leaves
// the queue, one that was queued again is not sent, and what it cost is not told anew.
//
// Outcomes: Done, NotHolder.
type SettleMessage struct {
	Cost        *Money // what the try cost; nil: not known, what was reserved stays
	ID          string
	Holder      string
	State       MessageState
	RetryAt     time.Time
	Provider    string // "": none was asked
	ProviderRef string
	Failure     string // "": taken; else retry, failover, final or ambiguous
	Code        string // the provider's own reason
	Now         time.Time
	Event       event.Event
}

// ClaimEvents leases a sink's next account events, in the order in which they
// were committed. Each sink has its own queue; one event is claimed again until
// settled. SettleEvents takes the whole claim (Through is the last event's id)
// and keeps Head, if its File is set, as that of Log; where Log is empty, of the
// log that all of the sink's holders share. With Through empty it only keeps Head:
// that of a shared log only while nobody else holds the sink.
// Outcomes: Done, NotHolder (nothing is kept).
type SettleEvents struct {
	Sink    string
	Log     string // the holder's own log; "": the sink's name
	Holder  string
	Through string
	Head    event.Head
	Now     time.Time
}

// Sweep drops what has lapsed, at most Limit rows of each kind: challenges
// (and their messages) KeepChallenges after their expiry, ended or lapsed
// sessions and idle failure counts after KeepEnded, notices and events after
// their time; and blanks addresses and agents in sessions and events older
// than KeepAddresses. Events that a sink has not settled stay, but for those that
// begin with what is to come (Claim.FromNow).
type Sweep struct {
	Now            time.Time
	Limit          int
	KeepChallenges time.Duration // 24 h (C-102)
	KeepEnded      time.Duration // 30 d
	CloseAt        int           // failed passwords in a row that close a number: such counts stay (C-41)
	KeepAddresses  time.Duration // 90 d (C-102)
	KeepEvents     time.Duration // 1 y (C-78)
}

// NumberState is what begins look at: who has a number, and how it was guessed.
type NumberState struct {
	User         User // ID "" when nobody has it
	KnownDevice  bool // the device exists and is this user's
	DeviceProved bool // and a code was redeemed on it: a password alone makes no messages of its own (C-42)
	CodeFailures int  // strangers' failed codes since a stranger's success
	LastFailedAt time.Time
}

// Page asks for rows before a place, newest first.
type Page struct {
	Before string // an event id; "" for the newest
	Limit  int
}
