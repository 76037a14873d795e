package smpp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
)

func TestDeliveryIsAnsweredAfterItIsReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		stored, broken := false, errors.New("no room on the disk")
		var got []*smpp.Message
		o := options(t, s)
		o.Receive = func(ctx context.Context, all []*smpp.Message) error {
			time.Sleep(3 * time.Second)
			got, stored = append(got, all...), true
			return broken
		}
		start(t, o)
		synctest.Wait()
		if status, err := s.Deliver(text("one")); err != nil || status != smpp.StatusTemporaryError || !stored {
			t.Errorf("what was not stored was answered with %v %v, stored %v", status, err, stored)
		}
		stored, broken = false, nil
		if status, err := s.Deliver(text("two")); err != nil || status != smpp.StatusOK || !stored {
			t.Errorf("what was stored was answered with %v %v, stored %v", status, err, stored)
		}
		data := &smpp.Data{Source: smpp.Address{Addr: "1"}, ESMClass: 4, TLVs: []smpp.TLV{{Tag: 0x1E, Value: []byte("x")}}}
		p, err := s.Ask(smpp.PDU{Command: smpp.DataSM, Body: data})
		if err != nil || p.Command != smpp.DataSM|smpp.Response || p.Status != smpp.StatusOK {
			t.Errorf("data_sm was answered with %v %v", p, err)
		}
		if len(got) != 3 || string(got[0].Short) != "one" || string(got[1].Short) != "two" || got[2].Source.Addr != "1" || got[2].ESMClass != 4 || len(got[2].TLVs) != 1 {
			t.Errorf("%d deliveries were received", len(got))
		}
	})
}

func TestDeliveriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		gate := make(chan struct{})
		var sizes []int
		o := options(t, s)
		o.Receive = func(ctx context.Context, all []*smpp.Message) error {
			sizes = append(sizes, len(all))
			select {
			case <-gate:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		c := start(t, o)
		synctest.Wait()
		var mu sync.Mutex
		answers := map[smpp.Status]int{}
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				status, err := s.Deliver(text("x"))
				mu.Lock()
				defer mu.Unlock()
				answers[status]++
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if answers[smpp.StatusTemporaryError] != 40-32-1 {
			t.Errorf("%v were answered, of 40, with room for 32", answers)
		}
		if _, err := c.Submit(t.Context(), text("hi")); err != nil {
			t.Errorf("while deliveries wait, a message is not sent: %v", err)
		}
		time.AfterFunc(time.Second, func() { close(gate) })
		c.Close() // it does not leave before they are stored and answered
		all.Wait()
		if answers[smpp.StatusOK] != 33 || len(sizes) != 2 || sizes[1] != 32 {
			t.Errorf("%v were answered; received in %v", answers, sizes)
		}
	})
}

func TestReceivingIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		o := options(t, s)
		o.Receive = func(ctx context.Context, _ []*smpp.Message) error {
			<-ctx.Done()
			return ctx.Err()
		}
		start(t, o)
		synctest.Wait()
		began := time.Now()
		if status, err := s.Deliver(text("x")); err != nil || status != smpp.StatusTemporaryError || time.Since(began) != 10*time.Second {
			t.Errorf("after %v: %v %v", time.Since(began), status, err)
		}
	})
}

func TestTheCentreIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		start(t, options(t, s))
		synctest.Wait()
		for _, c := range []struct {
			ask  smpp.Command
			want smpp.Command
			how  smpp.Status
		}{
			{smpp.EnquireLink, smpp.EnquireLink | smpp.Response, smpp.StatusOK},
			{0x111, smpp.GenericNack, smpp.StatusCommand},
			{smpp.BindReceiver, smpp.GenericNack, smpp.StatusLength}, // without its body
			{smpp.Unbind, smpp.Unbind | smpp.Response, smpp.StatusOK},
		} {
			p, err := s.Ask(smpp.PDU{Command: c.ask})
			if err != nil || p.Command != c.want || p.Status != c.how {
				t.Errorf("%#x: %v %v", c.ask, p, err)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if bound, binds, _, _ := s.Counts(); bound != 1 || binds != 2 {
			t.Errorf("after the centre unbound: %d bound, %d binds", bound, binds)
		}
	})
}

// hostile binds a client, does what is given, and gives what the message in flight
// came to and how long the session lasted.
func hostile(t *testing.T, do func(conn net.Conn, submit smpp.PDU)) (time.Duration, error) {
	over := make(chan time.Duration, 1)
	o := options(t, nil)
	first := true
	o.Dial = func(context.Context) (net.Conn, error) {
		if !first {
			return nil, errors.New("once is enough")
		}
		first = false
		mine, theirs := net.Pipe()
		go func() {
			bindOnly(t, theirs)
			began := time.Now()
			p, err := smpp.Read(theirs)
			if err != nil || p.Command != smpp.SubmitSM {
				t.Errorf("no message: %v %v", p, err)
			}
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				_, _ = io.Copy(io.Discard, theirs)
			}()
			do(theirs, p)
			<-gone
			theirs.Close()
			over <- time.Since(began)
		}()
		return mine, nil
	}
	c := start(t, o)
	_, err := c.Submit(t.Context(), text("canary-text"))
	lasted := <-over
	if err != nil && strings.Contains(err.Error(), "canary") || err != nil && strings.Contains(err.Error(), "15112345678") {
		t.Errorf("the error shows %v", err)
	}
	return lasted, err
}

func TestHostileCentresEndTheSession(t *testing.T) {
	write := func(octets string) func(net.Conn, smpp.PDU) {
		return func(conn net.Conn, _ smpp.PDU) { _, _ = io.WriteString(conn, octets) }
	}
	answer := func(c smpp.Command, status smpp.Status, sequence func(uint32) uint32) func(net.Conn, smpp.PDU) {
		return func(conn net.Conn, p smpp.PDU) {
			say(conn, smpp.PDU{Command: c, Status: status, Sequence: sequence(p.Sequence)})
		}
	}
	same := func(n uint32) uint32 { return n }
	for name, do := range map[string]func(net.Conn, smpp.PDU){
		"a huge length":               write("\x7f\xff\xff\xff\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02"),
		"a length of less than a PDU": write("\x00\x00\x00\x0f\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02"),
		"another protocol":            write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
		"number 0":                    write("\x00\x00\x00\x10\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00"),
		"a number too high":           write("\x00\x00\x00\x10\x80\x00\x00\x04\x00\x00\x00\x00\xff\xff\xff\xff"),
		"a broken answer":             write("\x00\x00\x00\x12\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02AB"),
		"an answer to nothing":        answer(smpp.SubmitSM|smpp.Response, 0, func(n uint32) uint32 { return n + 1 }),
		"an answer of another kind":   answer(smpp.EnquireLink|smpp.Response, 0, same),
		"an answer of no kind":        answer(0x80000111, 0, same),
		"a nack that is none":         answer(smpp.GenericNack, 0, same),
		"a nack of nothing":           answer(smpp.GenericNack, smpp.StatusCommand, func(uint32) uint32 { return 0 }),
		"an end":                      func(conn net.Conn, _ smpp.PDU) { conn.Close() },
		"an end in the middle of a PDU": func(conn net.Conn, _ smpp.PDU) {
			_, _ = io.WriteString(conn, "\x00\x00\x00\x20\x80\x00")
			conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if lasted, err := hostile(t, do); !errors.Is(err, smpp.ErrUnanswered) || lasted > 0 {
					t.Errorf("after %v: %v", lasted, err)
				}
			})
		})
	}
}

func TestMessageThatTheCentreCannotReadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := gatewaytest.NewSMSC(t)
		c := start(t, options(t, s))
		synctest.Wait()
		if _, err := c.Submit(t.Context(), &smpp.Message{ServiceType: "canary"}); !errors.Is(err, smpp.ErrBody) {
			t.Errorf("a message that does not fit: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, err := hostile(t, func(conn net.Conn, p smpp.PDU) {
			say(conn, smpp.PDU{Command: smpp.GenericNack, Status: smpp.StatusCommand, Sequence: p.Sequence})
			conn.Close()
		})
		if !errors.Is(err, smpp.StatusCommand) {
			t.Error(err)
		}
	})
}

func TestSlowAndDeafCentresAreLeft(t *testing.T) {
	for name, do := range map[string]func(net.Conn, smpp.PDU){
		"a PDU octet by octet": func(conn net.Conn, _ smpp.PDU) {
			for _, err := io.WriteString(conn, "\x00\x01\x00\x00\x80\x00\x00\x04"); err == nil; _, err = conn.Write([]byte{0}) {
				time.Sleep(time.Second)
			}
		},
		"nothing": func(net.Conn, smpp.PDU) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if lasted, err := hostile(t, do); !errors.Is(err, smpp.ErrUnanswered) || lasted < 40*time.Second || lasted > 41*time.Second {
					t.Errorf("after %v: %v", lasted, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // it floods and reads nothing: the answers stall
		o := options(t, nil)
		over := make(chan time.Duration, 9)
		o.Dial = func(context.Context) (net.Conn, error) {
			mine, theirs := net.Pipe()
			go func() {
				bindOnly(t, theirs)
				began := time.Now()
				for octets, _ := smpp.Encode(smpp.PDU{Command: smpp.EnquireLink, Sequence: 1}); ; {
					if _, err := theirs.Write(octets); err != nil {
						break
					}
				}
				over <- time.Since(began)
			}()
			return mine, nil
		}
		start(t, o)
		if lasted := <-over; lasted != 10*time.Second {
			t.Errorf("the session lasted %v", lasted)
		}
	})
	synctest.Test(t, func(t *testing.T) { // it accepts, and never answers the bind
		o := options(t, nil)
		over := make(chan time.Duration, 9)
		o.Dial = func(context.Context) (net.Conn, error) {
			mine, theirs := net.Pipe()
			go func() {
				began := time.Now()
				_, _ = io.Copy(io.Discard, theirs)
				over <- time.Since(began)
			}()
			return mine, nil
		}
		start(t, o)
		if lasted := <-over; lasted != 10*time.Second {
			t.Errorf("the bind lasted %v", lasted)
		}
	})
}

func TestFloodOfAnswersIsHarmless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := hostile(t, func(conn net.Conn, p smpp.PDU) {
			for range 2000 { // the first counts
				say(conn, smpp.PDU{Command: p.Command | smpp.Response, Status: smpp.StatusQueueFull, Sequence: p.Sequence})
			}
			conn.Close()
		})
		if !errors.Is(err, smpp.StatusQueueFull) {
			t.Error(err)
		}
	})
}
