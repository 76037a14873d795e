package core

import (
	"time"

	"github.com/countersign/countersign/internal/event"
)

// This file goes on from store_sessions.go: what bounds and counts the messages
// and their money, API keys, and what operators look at.

// BucketSolved is the bucket of sends that a solved captcha opens once that of
// strangers is full.
const BucketSolved = "solved"

// SendLimit names one of the limits on the messages to a number.
type SendLimit string

// The limits on the messages to a number (C-39).
const (
	SendWait SendLimit = "send_wait"        // too soon after the last
	SendHour SendLimit = "send_number_hour" // too many in an hour
	SendDay  SendLimit = "send_number_day"  // too many in a day
)

// SendLimits bounds the messages to one number (C-39), in each bucket by
// itself: that of Message.Bucket. Counted are the messages of challenges, decoys'
// and withheld ones too, whatever became of them, by their CreatedAt; notices are
// not. The zero value bounds nothing.
//
//  1. waits: of the last 3600 s, those whose challenge is not redeemed are
//     counted, to n. Before the newest of them + Waits[min(n, len(Waits)) - 1]:
//     Limited by SendWait
//  2. any window of 3600 s, ending now, holds Hour at most: else SendHour
//  3. any window of 24 h holds Day at most: else SendDay
//
// RetryAt is the time at which all three admit again. Where Hour or Day refuses and Spare is not nil,
// the message is counted in the bucket BucketSolved instead, by Spare's limits alone.
type SendLimits struct {
	Waits     []time.Duration
	Hour, Day int
	Spare     *SendLimits
}

// Money is an amount in millionths of the currency that the operator counts in.
type Money int64

// Budget bounds what messages may cost in any window; zero is no bound.
type Budget struct {
	Hour, Day, Month Money // 60 min, 24 h, 31 d
}

// Budgets bound the money that claims reserve, all instances together.
type Budgets struct {
	Total       Budget
	Country     Budget            // each country that Countries does not name
	Countries   map[string]Budget // by ISO 3166-1 alpha-2
	StrangerPct int               // how much of each budget messages of strangers may use up, in per cent: of the buckets "" and BucketSolved
}

// ClaimMessages is a Claim of messages within budgets. A claimed message
// reserves its Price (a withheld one reserves nothing), each claim anew: a crash
// between claim and settling may cost more than it has to, never less than was
// spent. A message whose price would pass a budget is not claimed: it waits for
// HoldFor, and no try is counted. Spending is kept by minute, hour and day, and
// a window counts every slot that it touches: it may hold less than a budget,
// never more.
type ClaimMessages struct {
	Claim
	Budgets Budgets
	HoldFor time.Duration
}

// Claimed is what became of the messages that were due.
type Claimed struct {
	Messages []Message // leased

	// GivenUp will not be sent, as their State says: MessageExpired, or
	// MessageFailed by too many tries. They have no text any more. Withheld ones
	// expire untold.
	GivenUp []Message
}

// Spending is what messages to a country have cost, reserved and settled, in the
// last 60 min, 24 h and 31 d. Country "" is the total.
type Spending struct {
	Country          string
	Hour, Day, Month Money
}

// AddRollups adds to the counts of an instance. They are kept by minute, by ten
// minutes and by hour; Sweep drops them after 2 days, 8 days and 90 days.
type AddRollups struct {
	Instance string
	Rollups  []event.Rollup
}

// Attend is an instance's word that it is there. Counted are those that gave
// theirs in the last Within and have not left.
type Attend struct {
	Instance string // an id of this run
	Leaving  bool
	Now      time.Time
	Within   time.Duration
}

// Attended is what an instance learns when it attends.
type Attended struct {
	Instances int       // how many there are
	Clock     time.Time // the database's, between question and answer; zero where it has none but the instance's
}

// StatsQuery asks for counts of all instances together in [Since, Until), cut
// into slots of By: a minute, ten minutes or an hour. Both ends are rounded down
// to a slot. Minute of the rollups that it gives is the slot's beginning. Slots
// without events are absent.
//
// Zero By gives one sum for each series: of minutes over 2 h, of tens of minutes
// over 48 h, of hours over more. A window may be a slot longer, that of an end
// within one. Where such slots do not reach back to Since, the finest do that do.
type StatsQuery struct {
	Since, Until time.Time
	By           time.Duration
	Names        []event.Name // only these; empty: all
}

// Queues tells how far behind the outbox is.
type Queues struct {
	Messages      int64         // queued and due, or claimed and not settled
	Held          int64         // waiting for money now (ClaimMessages.HoldFor)
	OldestMessage time.Duration // the age of the oldest that is not settled, whatever it waits for
	EventsBehind  map[string]int64
}

// APIKey lets a program act. The key itself is shown once and not kept.
type APIKey struct {
	ID        string
	Name      string
	Hash      []byte // SHA-256 of the key
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: not
}

// AddAPIKey keeps a new API key.
type AddAPIKey struct {
	Key   APIKey
	Event event.Event
}

// RevokeAPIKey ends an API key by its id or, where no id is so, by its name.
type RevokeAPIKey struct {
	Key   string // id or name
	Now   time.Time
	Event event.Event
}
