package gateway

import (
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSNSChains(t *testing.T) {
	event := awsEvent("TEXT_SENT", "")
	for name, by := range map[string]func(w *snsWorld, s *aws){
		"no trusted root":            func(_ *snsWorld, s *aws) { s.sns.roots = newSNSWorld(t).roots },
		"another authority above":    func(w *snsWorld, _ *aws) { w.pages[snsAbove] = string(newSNSWorld(t).above) },
		"no certificate above":       func(w *snsWorld, _ *aws) { w.pages[snsAbove] = "<html>" },
		"no certificate":             func(w *snsWorld, _ *aws) { w.pages[snsCert] = "<html>" },
		"a broken certificate":       func(w *snsWorld, _ *aws) { w.pages[snsCert] = strings.Replace(w.pages[snsCert], "MII", "MIA", 1) },
		"a certificate of no root's": func(w *snsWorld, _ *aws) { w.pages[snsCert] = string(newSNSWorld(t).own) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newSNSWorld(t)
			s := w.sender(t)
			by(w, s)
			forged(t, s, name, w.notify(t, event))
		})
	}
	w := newSNSWorld(t)
	late := w.notify(t, event)
	late.Now = kitNow.Add(2 * time.Hour)
	forged(t, w.sender(t), "a certificate that has lapsed", late)

	w = newSNSWorld(t)
	w.pages[snsCert] += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.above}))
	received(t, w.sender(t), w.notify(t, event))
	if got := w.fetches(); got != "GET "+snsCert {
		t.Errorf("with the whole chain at hand it fetched:\n%s", got)
	}
}

// What cannot be fetched now is no forgery: the service calls again.
func TestSNSFetchesFail(t *testing.T) {
	for _, status := range []int{302, 404, 500} {
		w := newSNSWorld(t)
		w.status = status
		s := w.sender(t)
		unreadable(t, s, w.notify(t, awsEvent("TEXT_SENT", "")))
		if got := w.fetches(); got != "GET "+snsCert {
			t.Errorf("%d: fetched\n%s", status, got)
		}
		w.mu.Lock()
		w.status = http.StatusOK
		w.mu.Unlock()
		received(t, s, w.notify(t, awsEvent("TEXT_SENT", "")))
	}
}

func TestSNSConfirmsItsSubscription(t *testing.T) {
	w := newSNSWorld(t)
	s := w.sender(t)
	count := func() int { return strings.Count(w.fetches(), "Action=ConfirmSubscription") }
	for range 3 {
		if got := received(t, s, w.subscription(t, "t1", snsSubscribe)); len(got) != 0 {
			t.Errorf("a receipt: %v", got)
		}
	}
	if count() != 1 || !strings.Contains(w.fetches(), "GET "+snsSubscribe) {
		t.Errorf("visited other than once:\n%s", w.fetches())
	}
	received(t, s, w.subscription(t, "t2", snsSubscribe))
	for name, address := range map[string]string{
		"elsewhere": "https://evil.example/?Action=ConfirmSubscription", "not by TLS": "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
		"a port": "https://sns.eu-west-1.amazonaws.com:1/?Action=ConfirmSubscription", "a look-alike": "https://sns.eu-west-1.amazonaws.com.evil/?Action=ConfirmSubscription",
		"nothing": "",
	} {
		forged(t, s, name, w.subscription(t, "t3", address))
	}
	forged(t, s, "a subscription unsigned", altered(w.subscription(t, "t4", snsSubscribe), func(c *Callback) {
		c.Body = []byte(strings.Replace(string(c.Body), `"t4"`, `"t5"`, 1))
	}))
	forged(t, s, "another's topic", altered(w.subscription(t, "t4", snsSubscribe), func(c *Callback) {
		c.Body = []byte(strings.Replace(string(c.Body), "123456789012", "999999999999", 1))
	}))
	if count() != 2 {
		t.Errorf("visited for a forgery:\n%s", w.fetches())
	}
	if _, err := s.Receipts(t.Context(), w.subscription(t, "t6", snsSubscribe+"0")); err == nil || errors.Is(err, ErrForged) {
		t.Errorf("a visit that fails: %v", err)
	}
}

func FuzzAWS(f *testing.F) {
	f.Add(200, `{"MessageId":"x"}`)
	f.Add(400, `{"__type":"a#ValidationException","Reason":"SENDER_ID_NOT_SUPPORTED"}`)
	f.Add(0, awsEvent("TEXT_SUCCESSFUL", `"isFinal":true,`))
	w := newSNSWorld(f)
	s := w.sender(f)
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := awsAnswer(answer{status: status, header: http.Header{}, body: []byte(body)})
		sound(t, sent, err)
		all, err := s.Receipts(t.Context(), w.notify(t, body))
		soundReceipts(t, all, err)
		raw := w.notify(t, "{}")
		raw.Body = []byte(body)
		if all, err := s.Receipts(t.Context(), raw); len(all) > 0 || err == nil {
			t.Fatalf("unsigned, and taken: %v", all)
		}
	})
}
