package smpp_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
)

// options are those of a client of the centre.
func options(t *testing.T, s *gatewaytest.SMSC) smpp.Options {
	return smpp.Options{
		Dial: s.Dial, Login: smpp.Bind{SystemID: "house", Password: "secret08"}, Binds: 1, Window: 10,
		Receive: func(context.Context, []*smpp.Message) error { return nil },
		Log:     slog.New(slog.DiscardHandler),
	}
}

// start makes a client that is closed with the test.
func start(t *testing.T, o smpp.Options) *smpp.Client {
	c := smpp.NewClient(o)
	t.Cleanup(c.Close)
	c.Start()
	return c
}

func text(s string) *smpp.Message {
	return &smpp.Message{Dest: smpp.Address{TON: 1, NPI: 1, Addr: "4915112345678"}, Registered: 1, Short: []byte(s)}
}

// submitted is an answer to Submit.
type submitted struct {
	id  string
	err error
}

// submit sends in the background.
func submit(ctx context.Context, c *smpp.Client, m *smpp.Message) <-chan submitted {
	done := make(chan submitted, 1)
	go func() {
		id, err := c.Submit(ctx, m)
		done <- submitted{id, err}
	}()
	return done
}

func TestMessagesAreSubmittedAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		c := start(t, options(t, s))
		for _, want := range []string{"1", "2"} {
			if id, err := c.Submit(t.Context(), text("hi")); id != want || err != nil {
				t.Errorf("Submit: %q %v", id, err)
			}
		}
		c.Close()
		synctest.Wait()
		if bound, binds, unbinds, _ := s.Counts(); bound != 0 || binds != 1 || unbinds != 1 {
			t.Errorf("%d bound, %d binds, %d unbinds", bound, binds, unbinds)
		}
		if _, err := c.Submit(t.Context(), text("hi")); !errors.Is(err, smpp.ErrUnwritten) {
			t.Errorf("Submit after Close: %v", err)
		}
	})
}

func TestWindowIsNotPassedAndAnswersComeInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		var gates []chan struct{}
		s.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
			gates = append(gates, make(chan struct{}))
			return gatewaytest.Reply{After: gates[n-1]}
		}
		o := options(t, s)
		o.Window = 4
		c := start(t, o)
		var all []<-chan submitted
		for range 6 {
			all = append(all, submit(t.Context(), c, text("hi")))
		}
		synctest.Wait()
		if n := len(s.Submitted()); n != 4 {
			t.Fatalf("%d messages are unanswered, the window is 4", n)
		}
		for i, n := range []int{3, 1, 0, 2} {
			close(gates[n])
			synctest.Wait()
			if got, want := len(s.Submitted()), min(5+i, 6); got != want {
				t.Errorf("after %d answers %d messages were sent, want %d", i+1, got, want)
			}
		}
		close(gates[5])
		close(gates[4])
		seen := map[string]bool{}
		for _, done := range all {
			got := <-done
			if got.err != nil || seen[got.id] {
				t.Errorf("%q %v", got.id, got.err)
			}
			seen[got.id] = true
		}
	})
}

func TestSeveralBindsShareMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		gate := make(chan struct{})
		s.Answer = func(int, *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{After: gate} }
		o := options(t, s)
		o.Binds, o.Window = 3, 2
		c := start(t, o)
		var all []<-chan submitted
		for range 8 {
			all = append(all, submit(t.Context(), c, text("hi")))
		}
		synctest.Wait()
		if n := len(s.Submitted()); n != 6 {
			t.Errorf("3 binds of a window of 2 sent %d messages", n)
		}
		close(gate)
		for _, done := range all {
			if got := <-done; got.err != nil {
				t.Error(got.err)
			}
		}
	})
}

func TestThrottledSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		gate := make(chan struct{})
		s.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
			if n == 1 {
				return gatewaytest.Reply{Status: smpp.StatusThrottled}
			}
			return gatewaytest.Reply{After: gate}
		}
		o := options(t, s)
		o.Window = 4
		c := start(t, o)
		if _, err := c.Submit(t.Context(), text("hi")); !errors.Is(err, smpp.StatusThrottled) {
			t.Fatal(err)
		}
		var all []<-chan submitted
		for range 8 {
			all = append(all, submit(t.Context(), c, text("hi")))
		}
		time.Sleep(time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(s.Submitted()); n != 1 {
			t.Errorf("%d messages were sent in the pause", n-1)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := len(s.Submitted()); n != 1+2 {
			t.Errorf("%d messages are unanswered, the window was halved to 2", n-1)
		}
		close(gate)
		for _, done := range all {
			if got := <-done; got.err != nil {
				t.Error(got.err)
			}
		}
		gate = make(chan struct{}) // 8 went well: the window is as before
		for range 8 {
			submit(t.Context(), c, text("hi"))
		}
		synctest.Wait()
		if n := len(s.Submitted()); n != 9+4 {
			t.Errorf("%d messages are unanswered, the window is 4 again", n-9)
		}
		close(gate)
	})
}

func TestSilentCentreIsAskedAndLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		start(t, options(t, s))
		time.Sleep(30*time.Second - time.Millisecond)
		synctest.Wait()
		if _, _, _, enquiries := s.Counts(); enquiries != 0 {
			t.Error("asked before 30 s")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if bound, binds, _, enquiries := s.Counts(); enquiries != 3 || bound != 1 || binds != 1 {
			t.Errorf("asked %d times in 91 s, %d binds", enquiries, binds)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var ends []<-chan struct{}
		o := options(t, nil)
		o.Dial = func(context.Context) (net.Conn, error) {
			mine, theirs := net.Pipe()
			over := make(chan struct{})
			ends = append(ends, over)
			go func() {
				defer close(over)
				bindOnly(t, theirs)
				for { // it reads, and says nothing
					if _, err := smpp.Read(theirs); err != nil {
						return
					}
				}
			}()
			return mine, nil
		}
		start(t, o)
		time.Sleep(40*time.Second + time.Millisecond)
		synctest.Wait()
		select {
		case <-ends[0]:
		default:
			t.Error("a dead session was not given up after 40 s")
		}
	})
}

// bindOnly lets a client in.
func bindOnly(t *testing.T, conn net.Conn) {
	p, err := smpp.Read(conn)
	if err != nil || p.Command != smpp.BindTransceiver {
		t.Errorf("no bind: %v", err)
		return
	}
	say(conn, smpp.PDU{Command: p.Command | smpp.Response, Sequence: p.Sequence, Body: &smpp.BindResponse{}})
}

func say(conn net.Conn, p smpp.PDU) {
	octets, err := smpp.Encode(p)
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write(octets)
}

func TestUnansweredMessageIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		late := make(chan struct{})
		s.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
			if n == 1 {
				return gatewaytest.Reply{After: late}
			}
			return gatewaytest.Reply{}
		}
		o := options(t, s)
		o.Window = 1
		c := start(t, o)
		began := time.Now()
		if _, err := c.Submit(t.Context(), text("hi")); !errors.Is(err, smpp.ErrUnanswered) || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		close(late) // what comes too late is not looked at, and its room is free
		if id, err := c.Submit(t.Context(), text("hi")); id != "2" || err != nil {
			t.Errorf("%q %v", id, err)
		}
		if _, binds, _, _ := s.Counts(); binds != 1 {
			t.Errorf("%d binds", binds)
		}
	})
}

func TestContextBoundsTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		s.Answer = func(int, *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{Silent: true} }
		o := options(t, s)
		o.Window = 1
		c := start(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		written := submit(ctx, c, text("hi"))
		synctest.Wait()
		unwritten := submit(ctx, c, text("hi"))
		if got := <-written; !errors.Is(got.err, smpp.ErrUnanswered) || !errors.Is(got.err, context.DeadlineExceeded) {
			t.Error(got.err)
		}
		if got := <-unwritten; !errors.Is(got.err, smpp.ErrUnwritten) || !errors.Is(got.err, context.DeadlineExceeded) {
			t.Error(got.err)
		}
	})
}

func TestLossLeavesWhatWasWrittenInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		s.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{Silent: n <= 2, Drop: n == 3} }
		o := options(t, s)
		o.Window = 3
		c := start(t, o)
		var lost []<-chan submitted
		for range 3 {
			lost = append(lost, submit(t.Context(), c, text("hi")))
			synctest.Wait()
		}
		for _, done := range lost {
			if got := <-done; !errors.Is(got.err, smpp.ErrUnanswered) {
				t.Error(got.err)
			}
		}
		began := time.Now()
		if id, err := c.Submit(t.Context(), text("hi")); id != "4" || err != nil || time.Since(began) != time.Second {
			t.Errorf("after %v: %q %v", time.Since(began), id, err)
		}
	})
}

func TestBindsAgainWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		began := time.Now()
		var tries []time.Duration
		o := options(t, s)
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			tries = append(tries, time.Since(began))
			if len(tries) < 10 {
				return nil, errors.New("no route")
			}
			return s.Dial(ctx)
		}
		c := start(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := c.Submit(ctx, text("hi")); err != nil {
			t.Fatal(err)
		}
		last := time.Duration(0)
		for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60, 60} {
			if got := tries[i] - last; got != want*time.Second {
				t.Errorf("try %d came after %v, want %d s", i+1, got, want)
			}
			last = tries[i]
		}
		s.Cut() // it was of use: it is called back soon
		synctest.Wait()
		again := time.Now()
		if _, err := c.Submit(ctx, text("hi")); err != nil || time.Since(again) != time.Second {
			t.Errorf("after %v: %v", time.Since(again), err)
		}
	})
}

func TestRefusedBindIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		var mu sync.Mutex
		status := smpp.StatusPassword
		s.Bound = func() smpp.Status { mu.Lock(); defer mu.Unlock(); return status }
		c := start(t, options(t, s))
		began := time.Now()
		for range 2 {
			var refused *smpp.BindError
			if _, err := c.Submit(t.Context(), text("hi")); !errors.As(err, &refused) || refused.Status != smpp.StatusPassword {
				t.Error(err)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("told after %v", time.Since(began))
		}
		mu.Lock()
		status = smpp.StatusOK
		mu.Unlock()
		time.Sleep(2 * time.Second)
		if _, err := c.Submit(t.Context(), text("hi")); err != nil {
			t.Error(err)
		}
	})
}

func TestTryBindsAndUnbinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		o := options(t, s)
		if err := smpp.Try(t.Context(), o); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if bound, binds, unbinds, _ := s.Counts(); bound != 0 || binds != 1 || unbinds != 1 {
			t.Errorf("%d bound, %d binds, %d unbinds", bound, binds, unbinds)
		}
		o.Login.Password = "canary-1"
		var refused *smpp.BindError
		if err := smpp.Try(t.Context(), o); !errors.As(err, &refused) || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
		o.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("no route") }
		if err := smpp.Try(t.Context(), o); err == nil {
			t.Error("bound to nothing")
		}
	})
}

func TestCloseWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		gate := make(chan struct{})
		s.Answer = func(int, *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{After: gate} }
		c := start(t, options(t, s))
		done := submit(t.Context(), c, text("hi"))
		synctest.Wait()
		time.AfterFunc(5*time.Second, func() { close(gate) })
		began := time.Now()
		c.Close()
		if got := <-done; got.err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), got.err)
		}
		if _, _, unbinds, _ := s.Counts(); unbinds != 1 {
			t.Error("it did not unbind")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		s.Answer = func(int, *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{Silent: true} }
		c := start(t, options(t, s))
		done := submit(t.Context(), c, text("hi"))
		synctest.Wait()
		began := time.Now()
		c.Close()
		if got := <-done; !errors.Is(got.err, smpp.ErrUnanswered) || time.Since(began) > 12*time.Second {
			t.Errorf("after %v: %v", time.Since(began), got.err)
		}
	})
}
