package gateway

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
	"github.com/countersign/countersign/internal/keyring"
)

// tell delivers a receipt for the n-th message, counted from 1, and checks its answer and what
// becomes of it.
func tell(t *testing.T, centre *gatewaytest.SMSC, s *smppTest, n int, stat, code string, want ...Receipt) {
	t.Helper()
	m := &smpp.Message{Short: []byte("none")}
	if all := centre.Submitted(); n <= len(all) {
		m = all[n-1]
	}
	told(t, centre, s, gatewaytest.ReceiptFor(m, strconv.Itoa(n), stat, code), want...)
}

func told(t *testing.T, centre *gatewaytest.SMSC, s *smppTest, receipt *smpp.Message, want ...Receipt) {
	t.Helper()
	if status, err := centre.Deliver(receipt); err != nil || status != smpp.StatusOK {
		t.Errorf("the receipt was answered with %v %v", status, err)
	}
	if got := s.take(); !cmp.Equal(got, want) {
		t.Errorf("delivered %s", cmp.Diff(want, got))
	}
}

func TestSMPPReceiptsOfEachState(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), nil)
	for i, c := range []struct {
		stat, code string
		want       Receipt
	}{
		{"ENROUTE", "000", Receipt{State: StateSent}},
		{"ACCEPTD", "000", Receipt{State: StateSent}},
		{"DELIVRD", "000", Receipt{State: StateDelivered}},
		{"EXPIRED", "021", Receipt{State: StateExpired, Class: Retry, Code: "EXPIRED-021"}},
		{"DELETED", "000", Receipt{State: StateUndelivered, Class: Failover, Code: "DELETED"}},
		{"UNDELIV", "1B", Receipt{State: StateUndelivered, Class: Failover, Code: "UNDELIV-1B"}},
		{"REJECTD", "000", Receipt{State: StateFailed, Class: Failover, Code: "REJECTD"}},
		{"UNKNOWN", "000", Receipt{State: StateUnknown}},
	} {
		if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed != nil {
			t.Fatal(failed)
		}
		c.want.MessageID, c.want.ProviderRef = "msg_1", strconv.Itoa(i+1)
		tell(t, centre, s, i+1, c.stat, c.code, c.want)
	}
}

func TestSMPPReceiptsThatAreNone(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), nil)
	if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed != nil {
		t.Fatal(failed)
	}
	told(t, centre, s, &smpp.Message{Short: []byte("STOP")})
	told(t, centre, s, &smpp.Message{ESMClass: 0x04, Short: []byte("stat:DELIVRD")})
	told(t, centre, s, &smpp.Message{ESMClass: 0x20, Short: []byte("id:1 stat:UNDELIV err:5")}, Receipt{MessageID: "msg_1", ProviderRef: "1", State: StateSent})
	tell(t, centre, s, 1, "DELIVRD", "000", Receipt{MessageID: "msg_1", ProviderRef: "1", State: StateDelivered})
	tell(t, centre, s, 77, "DELIVRD", "000", Receipt{ProviderRef: "77", State: StateDelivered}) // of another instance, or before a restart
}

func TestSMPPReceiptIsRepeatedWhereItWasNotStored(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), nil)
	long := smppMessage(t, strings.Repeat("x", 161))
	if _, failed := smppSend(t, s, long); failed != nil {
		t.Fatal(failed)
	}
	tell(t, centre, s, 1, "DELIVRD", "000", Receipt{MessageID: "msg_1", ProviderRef: "1", State: StateSent})
	s.fail(errors.New("no room on the disk"))
	receipt := gatewaytest.ReceiptFor(&smpp.Message{}, "2", "DELIVRD", "000")
	if status, err := centre.Deliver(receipt); err != nil || status != smpp.StatusTemporaryError {
		t.Errorf("what was not stored was answered with %v %v", status, err)
	}
	s.fail(nil)
	told(t, centre, s, receipt, Receipt{MessageID: "msg_1", ProviderRef: "1", State: StateDelivered})
}

func TestSMPPReceiptsOfParts(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := newSMPPTest(t, centre.Listen(nil), nil)
	send := func() {
		if sent, failed := smppSend(t, s, smppMessage(t, strings.Repeat("x", 307))); failed != nil || sent.Segments != 3 {
			t.Fatal(sent, failed)
		}
	}
	is := func(ref string, state State) Receipt {
		return Receipt{MessageID: "msg_1", ProviderRef: ref, State: state}
	}
	send()
	tell(t, centre, s, 3, "DELIVRD", "000", is("1", StateSent))
	tell(t, centre, s, 3, "DELIVRD", "000", is("1", StateSent)) // again
	tell(t, centre, s, 1, "ENROUTE", "000", is("1", StateSent))
	tell(t, centre, s, 1, "DELIVRD", "000", is("1", StateSent))
	tell(t, centre, s, 2, "DELIVRD", "000", is("1", StateDelivered))
	send()
	failed := is("4", StateUndelivered)
	failed.Class, failed.Code = Failover, "UNDELIV-005"
	tell(t, centre, s, 4, "DELIVRD", "000", is("4", StateSent))
	tell(t, centre, s, 6, "UNDELIV", "005", failed)
	failed.Code = "UNDELIV" // told by another part
	tell(t, centre, s, 5, "DELIVRD", "000", failed)
	send()
	tell(t, centre, s, 7, "DELIVRD", "000", is("7", StateSent))
	tell(t, centre, s, 8, "UNKNOWN", "000", is("7", StateSent))
	tell(t, centre, s, 9, "DELIVRD", "000", is("7", StateUnknown))
	tell(t, centre, s, 8, "DELIVRD", "000", is("7", StateDelivered))
}

func TestSMPPReceiptBeforeTheAnswer(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	gate := make(chan struct{})
	centre.Answer = func(n int, m *smpp.Message) gatewaytest.Reply {
		return gatewaytest.Reply{First: gatewaytest.ReceiptFor(m, "1", "DELIVRD", "000"), After: gate}
	}
	s := newSMPPTest(t, centre.Listen(nil), nil)
	done := make(chan *SendError, 1)
	go func() {
		_, failed := smppSend(t, s, smppMessage(t, "hi"))
		done <- failed
	}()
	for end := time.Now().Add(time.Minute); len(centre.Submitted()) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if early := s.take(); early != nil {
		t.Errorf("delivered before the answer: %+v", early)
	}
	close(gate)
	if failed := <-done; failed != nil {
		t.Fatal(failed)
	}
	var got []Receipt
	for end := time.Now().Add(time.Minute); got == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		got = s.take()
	}
	if want := []Receipt{{MessageID: "msg_1", ProviderRef: "1", State: StateDelivered}}; !cmp.Equal(got, want) {
		t.Errorf("delivered %+v", got)
	}
}

func TestSMPPReceiptsAreHeldForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := newSMPPSent(10)
		await := func(id string) time.Duration {
			began := time.Now()
			sent.await(t.Context(), []smpp.Receipt{{ID: id}})
			return time.Since(began)
		}
		if d := await("1"); d != 0 {
			t.Errorf("held for %v, while nothing is underway", d)
		}
		answered := sent.begin()
		sent.begin()
		sent.add("1", newSMPPParts("msg_1", 1), 0)
		if d := await("1"); d != 0 {
			t.Errorf("held for %v, while its id is known", d)
		}
		if d := await("2"); d != smppHold {
			t.Errorf("held for %v, want %v", d, smppHold)
		}
		answered()
	})
}

func TestSMPPMemoryIsBounded(t *testing.T) {
	sent := newSMPPSent(100)
	for i := range 1000 {
		sent.add(strconv.Itoa(i%700), newSMPPParts("m"+strconv.Itoa(i), 1), 0)
	}
	if len(sent.parts) != 100 || len(sent.underway) != 0 {
		t.Errorf("%d ids are remembered, of 100", len(sent.parts))
	}
	if r := sent.receipt(smpp.Receipt{ID: "299", State: smpp.HasArrived}); r.MessageID != "m999" {
		t.Errorf("the newest is forgotten: %+v", r)
	}
	if r := sent.receipt(smpp.Receipt{ID: "1", State: smpp.HasArrived}); r != (Receipt{ProviderRef: "1", State: StateDelivered}) {
		t.Errorf("the oldest: %+v", r)
	}
}

func TestSMPPIDsInOtherForms(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(int, *smpp.Message) gatewaytest.Reply { return gatewaytest.Reply{ID: "00FfA1"} }
	s := newSMPPTest(t, centre.Listen(nil), map[string]keyring.Secret{"receipt_ids": "decimal"})
	sent, failed := smppSend(t, s, smppMessage(t, "hi"))
	if failed != nil || sent.ProviderRef != "65441" {
		t.Fatalf("%+v %v", sent, failed)
	}
	want := Receipt{MessageID: "msg_1", ProviderRef: "65441", State: StateDelivered}
	for _, id := range []string{"65441", "0000065441", "ffa1"} {
		told(t, centre, s, gatewaytest.ReceiptFor(&smpp.Message{}, id, "DELIVRD", "000"), want)
	}
	told(t, centre, s, gatewaytest.ReceiptFor(&smpp.Message{}, "x-1", "DELIVRD", "000"), Receipt{ProviderRef: "x-1", State: StateDelivered})
}

func TestSMPPWithoutIDs(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
		return gatewaytest.Reply{ID: []string{"a", " ", "c"}[n-1]}
	}
	s := newSMPPTest(t, centre.Listen(nil), nil)
	if sent, failed := smppSend(t, s, smppMessage(t, strings.Repeat("x", 307))); failed != nil || sent.ProviderRef != "a" {
		t.Fatalf("%+v %v", sent, failed)
	}
	for _, c := range []struct {
		id    string
		state State
	}{{"a", StateSent}, {"c", StateDelivered}} {
		told(t, centre, s, gatewaytest.ReceiptFor(&smpp.Message{}, c.id, "DELIVRD", "000"), Receipt{MessageID: "msg_1", ProviderRef: "a", State: c.state})
	}
}

func TestSMPPReceiptWithNobodyToTakeIt(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	s := &smppTest{}
	o := smppOptions(s, centre.Listen(nil), nil)
	o.Deliver = nil
	sender, err := New("smpp", o)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, failed := smppSend(t, sender, smppMessage(t, "hi")); failed != nil {
		t.Fatal(failed)
	}
	if m := centre.Submitted()[0]; m.Registered != 0 {
		t.Error("a receipt was asked for")
	}
	if status, err := centre.Deliver(gatewaytest.ReceiptFor(&smpp.Message{}, "1", "DELIVRD", "000")); err != nil || status != smpp.StatusTemporaryError {
		t.Errorf("it was answered with %v %v", status, err)
	}
}
