package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// noon is when all of these tests happen.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// maker makes inputs whose ids are all new.
type maker struct {
	prefix string
	made   int
}

func (m *maker) id() string {
	m.made++
	return fmt.Sprintf("%s-%06d", m.prefix, m.made)
}

func (m *maker) event(name event.Name) event.Event {
	return event.Event{ID: m.id(), Time: noon, Name: name, Outcome: event.Success, IPAddress: "192.0.2.1", UserAgent: "test"}
}

func (m *maker) challenge(p core.Purpose, number string) core.Challenge {
	return core.Challenge{
		ID: m.id(), Purpose: p, Channel: core.ChannelSMS,
		Phone:   core.SealedPhone{Key: number, Sealed: []byte("sealed " + number), Masked: "+1***00"},
		CodeMAC: []byte("right"), CodeLength: 6, Sealed: []byte("text"), GuessesLeft: core.MaxGuesses,
		ResendAt: noon.Add(time.Minute), CreatedAt: noon, ExpiresAt: noon.Add(10 * time.Minute), Dialect: "native",
	}
}

func (m *maker) opening(c core.Challenge) core.OpenChallenge {
	return core.OpenChallenge{
		Challenge: c, KeyLife: time.Hour, Now: noon, Event: m.event(event.SignupStarted),
		Message: core.Message{
			ID: m.id(), ChallengeID: c.ID, UserID: c.UserID, Purpose: string(c.Purpose), Channel: c.Channel,
			PhoneKey: c.Phone.Key, State: core.MessageQueued, CreatedAt: noon, ExpiresAt: c.ExpiresAt,
		},
	}
}

func (m *maker) notice(number, userID string) core.Message {
	id := m.id()
	return core.Message{
		ID: id, UserID: userID, Purpose: "notice", Channel: core.ChannelSMS, PhoneKey: number, Sealed: []byte("notice"),
		SealedFor: id, State: core.MessageQueued, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

func (m *maker) apiKey() core.APIKey {
	id := m.id()
	return core.APIKey{ID: id, Name: "name of " + id, Hash: []byte("hash of " + id), Scopes: []string{"stats:read"}, CreatedAt: noon}
}

func (m *maker) guess(c core.Challenge, code string) core.Guess {
	return core.Guess{
		ChallengeID: c.ID, CodeMACs: [][]byte{[]byte(code)}, SessionID: c.SessionID, Now: noon, CloseAt: 3,
		Limits:  core.CodeLimits{Strangers: 1, StrangersWindow: time.Hour, Device: 1, DeviceWindow: time.Hour},
		OnWrong: m.event(event.CodeFailed), OnLocked: m.event(event.AccountLocked), OnUnlocked: m.event(event.AccountUnlocked),
	}
}

func (m *maker) signIn() core.SignIn {
	return core.SignIn{
		Session: core.Session{
			ID: m.id(), SecretHash: []byte("secret"), SecretSealed: []byte("sealed"), TokenKeyID: "key",
			CreatedAt: noon, AuthTime: noon, LastSeenAt: noon,
			IdleExpiresAt: noon.Add(time.Hour), ExpiresAt: noon.Add(24 * time.Hour),
			IPAddress: "192.0.2.1", Network: "192.0.2.0/24", UserAgent: "test",
			Methods: []string{core.MethodSMS}, Dialect: "native", Reissue: core.ReissueDevice,
		},
		Device:     core.Device{ID: m.id(), CreatedAt: noon, LastSeenAt: noon},
		OnSignedIn: m.event(event.SuccessfulLogin), OnSurplus: m.event(event.SessionRevoked), MaxSessions: 2,
	}
}

func (m *maker) signup(c core.Challenge) core.RedeemSignup {
	return core.RedeemSignup{
		Guess: m.guess(c, "right"), SignIn: m.signIn(), OnCreated: m.event(event.AccountCreated),
		User: core.User{
			ID: m.id(), Phone: c.Phone, Name: "Ada Lovelace", Email: "ada@example.org", PasswordHash: "first hash", Generation: 1,
		},
	}
}

func rotation(s core.Session) core.RotateSession {
	return core.RotateSession{
		SessionID: s.ID, Counter: s.Counter, SecretHash: s.SecretHash, TokenKeyID: "key", Grace: time.Second,
		IdleTimeout: time.Hour, IPAddress: "192.0.2.1", Network: "192.0.2.0/24", UserAgent: "test", Now: noon,
	}
}

// account signs a number up.
func account(t testing.TB, s *Store, m *maker, number string) core.RedeemResult {
	t.Helper()
	c := m.challenge(core.PurposeSignup, number)
	if _, err := s.OpenChallenge(context.Background(), m.opening(c)); err != nil {
		t.Fatal(err)
	}
	got, err := s.RedeemSignup(context.Background(), m.signup(c))
	if err != nil || got.Outcome != core.Done {
		t.Fatalf("signing up: %q, %v", got.Outcome, err)
	}
	return got
}

// begun opens a challenge for an account; on behalf of its session where the
// purpose needs that.
func begun(t testing.TB, s *Store, m *maker, p core.Purpose, of core.RedeemResult, number string) core.Challenge {
	t.Helper()
	user, err := s.User(context.Background(), of.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	c := m.challenge(p, number)
	c.UserID, c.Generation = user.ID, user.Generation
	if p == core.PurposePhoneChange || p == core.PurposeReauthentication {
		c.SessionID = of.Session.ID
	}
	if got, err := s.OpenChallenge(context.Background(), m.opening(c)); err != nil || got.Outcome != core.Done {
		t.Fatalf("opening: %q, %v", got.Outcome, err)
	}
	return c
}

// claimedBy queues a message with a price, and has somebody claim it before all
// others.
func claimedBy(t testing.TB, s *Store, m *maker, holder string) core.Message {
	t.Helper()
	in := m.opening(m.challenge(core.PurposeSignup, m.id()))
	in.Message.Price, in.Message.Country = 70_000, "DE"
	in.Message.CreatedAt = noon.Add(-time.Second)
	if _, err := s.OpenChallenge(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	claim := core.Claim{Holder: holder, Limit: 1, Lease: time.Hour, Now: noon}
	got, err := s.ClaimMessages(context.Background(), core.ClaimMessages{Claim: claim})
	if err != nil || len(got.Messages) != 1 || got.Messages[0].ID != in.Message.ID {
		t.Fatalf("claimed %v, %v", got, err)
	}
	return got.Messages[0]
}

// sentBy queues a message that a provider has taken, whose reference is its id.
func sentBy(t testing.TB, s *Store, m *maker, provider string) core.Message {
	t.Helper()
	sent := claimedBy(t, s, m, "sender")
	settled := core.SettleMessage{ID: sent.ID, Holder: "sender", State: core.MessageSent, Provider: provider, ProviderRef: sent.ID, Now: noon}
	if outcome, err := s.SettleMessage(context.Background(), settled); err != nil || outcome != core.Done {
		t.Fatalf("settling: %q, %v", outcome, err)
	}
	return sent
}

// everything is all rows of all tables, as text.
func everything(t testing.TB, s *Store) string {
	t.Helper()
	text, err := read(context.Background(), s, "reading everything", func(tx *tx) string {
		var b strings.Builder
		tables := collect(tx, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", (*row).text)
		for _, table := range tables {
			rows := collect(tx, "SELECT * FROM "+table, rowText)
			slices.Sort(rows)
			fmt.Fprintf(&b, "%s:\n%s\n", table, strings.Join(rows, "\n"))
		}
		return b.String()
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rowText(r *row) string {
	var columns []string
	for i := range r.stmt.ColumnCount() {
		text := r.stmt.ColumnText(i)
		if r.stmt.ColumnType(i) == sqlite3.NULL {
			text = "NULL"
		}
		columns = append(columns, r.stmt.ColumnName(i)+"="+text)
	}
	return strings.Join(columns, " ")
}
