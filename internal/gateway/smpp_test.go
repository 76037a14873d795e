package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
	"github.com/countersign/countersign/internal/keyring"
)

var noonSMPP = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// smppTest is a sender, and what it delivers and logs.
type smppTest struct {
	Sender
	mu        sync.Mutex
	delivered []Receipt
	broken    error
	log       bytes.Buffer
}

// Write takes the log.
func (s *smppTest) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *smppTest) deliver(_ context.Context, all []Receipt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.delivered = append(s.delivered, all...)
	}
	return s.broken
}

// fail makes deliveries fail, or no more.
func (s *smppTest) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// take gives what was delivered since it was last called.
func (s *smppTest) take() []Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.delivered
	s.delivered = nil
	return taken
}

// smppOptions are those of a sender at an address, with settings besides.
func smppOptions(s *smppTest, address string, settings map[string]keyring.Secret) Options {
	values := map[string]keyring.Secret{"address": keyring.Secret(address), "system_id": "house", "password": "secret08"}
	maps.Copy(values, settings)
	return Options{
		Name: "carrier", Channel: SMS, Values: values, From: map[string]string{"*": "Acme"}, Deliver: s.deliver,
		Now: func() time.Time { return noonSMPP }, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(s, nil)),
	}
}

// newSMPPTest makes a sender, closed with the test.
func newSMPPTest(t *testing.T, address string, settings map[string]keyring.Secret) *smppTest {
	t.Helper()
	s := &smppTest{}
	sender, err := New("smpp", smppOptions(s, address, settings))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sender.Close() })
	s.Sender = sender
	return s
}

func smppMessage(t *testing.T, text string) Message {
	return Message{
		ID: "msg_1", Channel: SMS, To: number(t, "+4915112345678"), Country: "DE",
		Body: keyring.Secret(text), CreatedAt: noonSMPP, ExpiresAt: noonSMPP.Add(5 * time.Minute),
	}
}

// smppSend sends with a bound of time.
func smppSend(t *testing.T, s Sender, m Message) (Sent, *SendError) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sent, err := s.Send(ctx, m)
	var failed *SendError
	if err != nil && !errors.As(err, &failed) {
		t.Fatalf("an error of another kind: %v", err)
	}
	return sent, failed
}

func TestSMPPSubmitsWhatTheReferenceSays(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), map[string]keyring.Secret{"service_type": "OTP"})
	sent, failed := smppSend(t, s, smppMessage(t, "Code: 123456 @"))
	if failed != nil || sent != (Sent{ProviderRef: "1", Segments: 1}) {
		t.Fatalf("%+v %v", sent, failed)
	}
	want := smpp.Message{
		ServiceType: "OTP", Source: smpp.Address{TON: 5, Addr: "Acme"}, Dest: smpp.Address{TON: 1, NPI: 1, Addr: "4915112345678"},
		ValidityPeriod: "000000000500000R", Registered: 1, Short: []byte("Code: 123456 \x00"),
	}
	if got := centre.Submitted()[0]; !cmp.Equal(*got, want) {
		t.Errorf("%s", cmp.Diff(*got, want))
	}
	if s.Name() != "carrier" || s.Kind() != "smpp" || s.Channel() != SMS {
		t.Error("it is called otherwise")
	}
	if _, err := s.Receipts(t.Context(), Callback{}); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("Receipts: %v", err)
	}
}

func TestSMPPNamesTheSenderByItsForm(t *testing.T) {
	for from, want := range map[string]smpp.Address{
		"":               {},
		"+4915112345678": {TON: 1, NPI: 1, Addr: "4915112345678"},
		"12345":          {TON: 3, Addr: "12345"},
		"Acme":           {TON: 5, Addr: "Acme"},
		"2-Factor & Co":  {},
		"2Factor":        {TON: 5, Addr: "2Factor"},
		"123456789":      {},
		"+12":            {},
		"12":             {},
		"1-2-3":          {},
		"Äcme":           {},
		"Twelve chars":   {},
	} {
		if got := smppAddress(from); got != want {
			t.Errorf("%q: %+v, want %+v", from, got, want)
		}
	}
}

func TestSMPPPeriods(t *testing.T) {
	for left, want := range map[time.Duration]string{
		time.Millisecond:      "000000000001000R",
		90 * time.Second:      "000000000130000R",
		25*time.Hour + 1:      "000001010000000R",
		1000 * 24 * time.Hour: "000028000000000R",
		10*time.Minute - 1:    "000000000959000R",
	} {
		if got := smpp.Period(left); got != want {
			t.Errorf("%v: %s, want %s", left, got, want)
		}
	}
}

func TestSMPPClassesAreThoseOfTheReference(t *testing.T) {
	classes := map[smpp.Status]Class{0x111: Failover, 0x400: Failover}
	for class, all := range map[Class][]smpp.Status{
		Retry:    {0x58, 0x14, 0x08, 0x45, 0x64, 0xFE},
		Failover: {0x0D, 0x0E, 0x0F, 0x05, 0x0A, 0x48, 0x49, 0x101, 0x103},
		Final:    {0x0B, 0x50, 0x51, 0x01, 0x04, 0x43, 0x61, 0x62, 0x65, 0xFF},
	} {
		for _, status := range all {
			classes[status] = class
		}
	}
	var mu sync.Mutex
	var answer smpp.Status
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(int, *smpp.Message) gatewaytest.Reply {
		mu.Lock()
		defer mu.Unlock()
		return gatewaytest.Reply{Status: answer}
	}
	s := newSMPPTest(t, centre.Listen(nil), nil)
	for status, class := range classes {
		if status == smpp.StatusThrottled {
			continue // the next would wait
		}
		mu.Lock()
		answer = status
		mu.Unlock()
		_, failed := smppSend(t, s, smppMessage(t, "hi"))
		if failed == nil || failed.Class != class || failed.Code != status.String() || failed.RetryAfter != 0 {
			t.Errorf("%v: %v, want %v", status, failed, class)
		}
		if alarm := class == Failover && status != 0x111 && status != 0x400; failed.Alarm != alarm {
			t.Errorf("%v: alarm %v", status, failed.Alarm)
		}
	}
	mu.Lock()
	answer = smpp.StatusThrottled
	mu.Unlock()
	if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed.Class != Retry || failed.RetryAfter != time.Second || failed.Code != "0x58" {
		t.Errorf("throttled: %v", failed)
	}
}

func TestSMPPRefusedBinds(t *testing.T) {
	for status, want := range map[smpp.Status]Class{0x05: Failover, 0x0D: Failover, 0x0E: Failover, 0x0F: Failover, 0x04: Failover, 0x08: Retry, 0x77: Failover} {
		e := smppFailed(&smpp.BindError{Status: status})
		if e.Class != want || e.Alarm != (want == Failover) || e.Code != status.String() {
			t.Errorf("%v: %+v, want %v", status, e, want)
		}
	}
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), map[string]keyring.Secret{"password": "canary01"})
	_, failed := smppSend(t, s, smppMessage(t, "hi"))
	if failed == nil || failed.Class != Failover || !failed.Alarm || failed.Code != "0x0E" {
		t.Errorf("%v", failed)
	}
}

func TestSMPPLosses(t *testing.T) {
	t.Parallel()
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
		switch n {
		case 1, 3, 5:
			return gatewaytest.Reply{Drop: n != 5, Status: smpp.StatusQueueFull}
		}
		return gatewaytest.Reply{}
	}
	s := newSMPPTest(t, centre.Listen(nil), nil)
	if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed == nil || failed.Class != Ambiguous {
		t.Errorf("lost before the answer: %v", failed)
	}
	long := smppMessage(t, strings.Repeat("x", 161))
	if _, failed := smppSend(t, s, long); failed == nil || failed.Class != Ambiguous {
		t.Errorf("lost with the second part: %v", failed)
	}
	if _, failed := smppSend(t, s, long); failed != nil && failed.Class != Ambiguous || failed == nil {
		t.Errorf("a full queue at the second part: %v", failed)
	}
	if n := len(centre.Submitted()); n != 5 {
		t.Errorf("%d parts were submitted", n)
	}
	late := smppMessage(t, "hi")
	late.ExpiresAt = noonSMPP
	if _, failed := smppSend(t, s, late); failed == nil || failed.Class != Retry || len(centre.Submitted()) != 5 {
		t.Errorf("an expired message: %v", failed)
	}
	endless := smppMessage(t, strings.Repeat("x", 256*153))
	if _, failed := smppSend(t, s, endless); failed == nil || failed.Class != Final || len(centre.Submitted()) != 5 {
		t.Errorf("a text too long: %v", failed)
	}
}

func TestSMPPUnreachable(t *testing.T) {
	s := newSMPPTest(t, "127.0.0.1:1", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Send(ctx, smppMessage(t, "hi"))
	var failed *SendError
	if !errors.As(err, &failed) || failed.Class != Retry || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed == nil || failed.Class != Retry {
		t.Errorf("after Close: %v", failed)
	}
}

func TestSMPPThrottledPartsGoOn(t *testing.T) {
	t.Parallel()
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
		if n == 2 {
			return gatewaytest.Reply{Status: smpp.StatusThrottled}
		}
		return gatewaytest.Reply{}
	}
	s := newSMPPTest(t, centre.Listen(nil), nil)
	sent, failed := smppSend(t, s, smppMessage(t, strings.Repeat("я", 71)))
	if failed != nil || sent != (Sent{ProviderRef: "1", Segments: 2}) {
		t.Errorf("%+v %v", sent, failed)
	}
	all := centre.Submitted()
	if len(all) != 3 || !cmp.Equal(*all[1], *all[2]) || all[0].Short[3] != all[1].Short[3] {
		t.Error("the throttled part was not sent again as it was")
	}
}

func TestSMPPChecks(t *testing.T) {
	t.Parallel()
	centre := gatewaytest.NewSMSC(t)
	var mu sync.Mutex
	status := smpp.StatusOK
	centre.Bound = func() smpp.Status { mu.Lock(); defer mu.Unlock(); return status }
	o := smppOptions(&smppTest{}, centre.Listen(nil), nil)
	o.Deliver = nil
	s, err := New("smpp", o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		status smpp.Status
		what   string
	}{{smpp.StatusOK, "bind"}, {smpp.StatusAlreadyBound, "bind"}, {smpp.StatusPassword, "credentials"}} {
		mu.Lock()
		status = c.status
		mu.Unlock()
		found := s.Check(t.Context())
		if len(found) != 1 || found[0].OK != (c.status == smpp.StatusOK) || found[0].What != c.what || (found[0].Problem == "") != found[0].OK {
			t.Errorf("%v: %+v", c.status, found)
		}
	}
	if _, binds, _, _ := centre.Counts(); binds != 1 {
		t.Errorf("%d binds: one was asked for, and nobody to take receipts", binds)
	}
	s = newSMPPTest(t, "127.0.0.1:1", nil)
	if found := s.Check(t.Context()); len(found) != 1 || found[0].OK || found[0].What != "reachability" {
		t.Errorf("%+v", found)
	}
}
