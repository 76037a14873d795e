package gateway

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	snsCert      = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123.pem"
	snsAbove     = "http://crt.r2m01.amazontrust.com/r2m01.cer"
	snsSubscribe = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t1"
)

// snsWorld stands in for the service and its authority: what can be fetched, and
// what was. It follows and reaches nothing else.
type snsWorld struct {
	roots *x509.CertPool
	key   *rsa.PrivateKey
	own   []byte // the service's certificate alone, PEM
	above []byte // the one above it, DER

	mu      sync.Mutex
	pages   map[string]string
	status  int
	fetched []string
}

// RoundTrip answers a fetch.
func (w *snsWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetched = append(w.fetched, r.Method+" "+r.URL.String())
	page, ok := w.pages[r.URL.String()]
	status := w.status
	if !ok {
		status = http.StatusNotFound
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example/x.pem"}}, Body: io.NopCloser(strings.NewReader(page)), Request: r,
	}, nil
}

func (w *snsWorld) fetches() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.fetched, "\n")
}

// snsKey is made once: it takes a while.
var snsKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newSNSWorld makes a root, an authority under it and the service's certificate.
func newSNSWorld(t testing.TB) *snsWorld {
	t.Helper()
	w := &snsWorld{roots: x509.NewCertPool(), key: snsKey(), pages: map[string]string{}, status: http.StatusOK}
	made := func(name string, ca bool, parent *x509.Certificate, public, signer any) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: ca, BasicConstraintsValid: true,
			NotBefore: kitNow.Add(-time.Hour), NotAfter: kitNow.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if !ca {
			c.IssuingCertificateURL = []string{snsAbove}
		}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	aboveKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := made("root", true, nil, rootKey.Public(), rootKey)
	above := made("authority", true, root, aboveKey.Public(), rootKey)
	own := made("sns.amazonaws.com", false, above, w.key.Public(), aboveKey)
	w.roots.AddCert(root)
	w.own, w.above = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Raw}), above.Raw
	w.pages[snsCert], w.pages[snsAbove], w.pages[snsSubscribe] = string(w.own), string(w.above), "<ConfirmSubscriptionResponse/>"
	return w
}

// sender is one that lives in this world.
func (w *snsWorld) sender(t testing.TB) *aws {
	t.Helper()
	o := kitOptions(SMS, awsSettings)
	o.HTTP.Transport = w
	s := kitSender(t, "aws", o).(*aws)
	s.sns.roots = w.roots
	return s
}

// post is a callback of the envelope, signed over these members in this order.
func (w *snsWorld) post(t testing.TB, envelope map[string]string, order string) Callback {
	t.Helper()
	text := ""
	for name := range strings.FieldsSeq(order) {
		if value, ok := envelope[name]; ok {
			text += name + "\n" + value + "\n"
		}
	}
	hash, sum := crypto.SHA256, make([]byte, 0, 32)
	if envelope["SignatureVersion"] == "1" {
		short := sha1.Sum([]byte(text))
		hash, sum = crypto.SHA1, append(sum, short[:]...)
	} else {
		long := sha256.Sum256([]byte(text))
		sum = append(sum, long[:]...)
	}
	signature, err := rsa.SignPKCS1v15(nil, w.key, hash, sum)
	if err != nil {
		t.Fatal(err)
	}
	envelope["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return Callback{
		Method: http.MethodPost, URL: kitReceipts, Body: body, Now: kitNow,
		Header: http.Header{"Content-Type": {"text/plain"}, "X-Amz-Sns-Message-Type": {envelope["Type"]}},
	}
}

const (
	snsNotified   = "Message MessageId Subject Timestamp TopicArn Type"
	snsSubscribed = "Message MessageId SubscribeURL Timestamp Token TopicArn Type"
)

// notify is a notification of the topic; changes are pairs of member and value.
func (w *snsWorld) notify(t testing.TB, message string, changes ...string) Callback {
	t.Helper()
	e := map[string]string{
		"Type": "Notification", "MessageId": "n1", "TopicArn": awsARN, "Message": message, "Timestamp": "2026-07-30T20:00:00.000Z",
		"SignatureVersion": "2", "SigningCertURL": snsCert,
	}
	for i := 0; i < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return w.post(t, e, snsNotified)
}

func (w *snsWorld) subscription(t testing.TB, token, address string) Callback {
	t.Helper()
	return w.post(t, map[string]string{
		"Type": "SubscriptionConfirmation", "MessageId": "n1", "TopicArn": awsARN, "Message": "confirm", "Timestamp": "2026-07-30T20:00:00.000Z",
		"SignatureVersion": "2", "SigningCertURL": snsCert, "Token": token, "SubscribeURL": address,
	}, snsSubscribed)
}

func awsEvent(kind, more string) string {
	return `{"eventType":"` + kind + `","eventVersion":"1.0","eventTimestamp":1785441601500,` + more + `"messageId":"` + awsTaken +
		`","destinationPhoneNumber":"+` + canaryNumber + `","mcc":"262","mnc":"01","messageStatus":"X","context":{"m":"` + kitMessage + `"},"totalMessageParts":1}`
}

func TestAWSReceipts(t *testing.T) {
	w := newSNSWorld(t)
	s := w.sender(t)
	for _, c := range []struct {
		kind, more string
		want       Receipt
	}{
		{"TEXT_QUEUED", "", Receipt{State: StateAccepted}}, {"TEXT_PENDING", "", Receipt{State: StateAccepted}},
		{"TEXT_SENT", "", Receipt{State: StateSent}}, {"TEXT_SUCCESSFUL", `"isFinal":false,`, Receipt{State: StateSent}},
		{"TEXT_SUCCESSFUL", `"isFinal":true,`, Receipt{State: StateDelivered}}, {"TEXT_DELIVERED", `"isFinal":true,`, Receipt{State: StateDelivered}},
		{"TEXT_TTL_EXPIRED", "", Receipt{State: StateExpired, Class: Retry, Code: "TTL_EXPIRED"}},
		{"TEXT_BLOCKED", "", Receipt{State: StateUndelivered, Class: Failover, Code: "BLOCKED"}},
		{"TEXT_CARRIER_BLOCKED", "", Receipt{State: StateUndelivered, Class: Failover, Code: "CARRIER_BLOCKED"}},
		{"TEXT_UNREACHABLE", "", Receipt{State: StateUndelivered, Class: Failover, Code: "UNREACHABLE"}},
		{"TEXT_CARRIER_UNREACHABLE", "", Receipt{State: StateUndelivered, Class: Retry, Code: "CARRIER_UNREACHABLE"}},
		{"TEXT_SPAM", "", Receipt{State: StateUndelivered, Class: Failover, Code: "SPAM"}},
		{"TEXT_INVALID", "", Receipt{State: StateUndelivered, Class: Final, Code: "INVALID"}},
		{"TEXT_INVALID_MESSAGE", "", Receipt{State: StateFailed, Class: Final, Code: "INVALID_MESSAGE"}},
		{"TEXT_PROTECT_BLOCKED", "", Receipt{State: StateFailed, Class: Failover, Code: "PROTECT_BLOCKED"}},
		{"TEXT_UNKNOWN", "", Receipt{State: StateUnknown}}, {"TEXT_NONSENSE", "", Receipt{State: StateUnknown}},
	} {
		c.want.MessageID, c.want.ProviderRef, c.want.At = kitMessage, awsTaken, kitNow.Add(1500*time.Millisecond)
		if diff := cmp.Diff([]Receipt{c.want}, received(t, s, w.notify(t, awsEvent(c.kind, c.more)))); diff != "" {
			t.Errorf("%s:\n%s", c.kind, diff)
		}
	}
	if got := received(t, s, w.notify(t, awsEvent("VOICE_COMPLETED", ""))); len(got) != 0 {
		t.Errorf("a call is a receipt: %v", got)
	}
	unreadable(t, s, w.notify(t, "[]"), w.notify(t, `{"eventType":"TEXT_SENT"}`),
		altered(w.notify(t, "{}"), func(c *Callback) { c.Method = http.MethodGet }), altered(w.notify(t, "{}"), func(c *Callback) { c.Body = []byte("{") }))
	if got := w.fetches(); got != "GET "+snsCert+"\nGET "+snsAbove {
		t.Errorf("fetched, once each:\n%s", got)
	}
	none := kitSender(t, "aws", kitOptions(SMS, awsSettings.with("topic_arn", "")))
	if _, err := none.Receipts(t.Context(), w.notify(t, "{}")); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("without a topic: %v", err)
	}
}

func TestSNSSignatures(t *testing.T) {
	w := newSNSWorld(t)
	s := w.sender(t)
	event := awsEvent("TEXT_SENT", "")
	received(t, s, w.notify(t, event, "SignatureVersion", "1"))
	received(t, s, w.notify(t, event, "Subject", "events"))
	good := w.notify(t, event)
	received(t, s, good)
	before := w.fetches()
	swap := func(from, to string) func(*Callback) {
		return func(c *Callback) { c.Body = bytes.Replace(c.Body, []byte(from), []byte(to), 1) }
	}
	for name, by := range map[string]func(*Callback){
		"another state":      swap("TEXT_SENT", "TEXT_SENX"),
		"another id":         swap(`"n1"`, `"n2"`),
		"a subject more":     swap(`"Type"`, `"Subject":"x","Type"`),
		"another version":    swap(`"SignatureVersion":"2"`, `"SignatureVersion":"1"`),
		"no version":         swap(`"SignatureVersion":"2"`, `"SignatureVersion":"3"`),
		"another type":       func(c *Callback) { swap(`"Notification"`, `"Else"`)(c); c.Header.Set("X-Amz-Sns-Message-Type", "Else") },
		"another header":     func(c *Callback) { c.Header.Set("X-Amz-Sns-Message-Type", "SubscriptionConfirmation") },
		"another signature":  swap(`"Signature":"`, `"Signature":"AAAA`),
		"another's address":  swap("https://sns.eu-west-1.amazonaws.com/", "https://sns.eu-west-1.amazonaws.com.evil.example/"),
		"not by TLS":         swap("https://sns", "http://sns"),
		"a port":             swap("amazonaws.com/", "amazonaws.com:8443/"),
		"a user":             swap("https://sns", "https://user@sns"),
		"a query":            swap("0123.pem", "x?Action=y.pem"),
		"a fragment":         swap("0123.pem", "x#.pem"),
		"no certificate":     swap("0123.pem", "0123.txt"),
		"no address":         swap("https://sns", "%zz"),
		"another's topic":    swap("123456789012", "999999999999"),
		"a bucket, no topic": swap("https://sns.eu-west-1", "https://s3.eu-west-1"),
	} {
		forged(t, s, name, altered(good, by))
	}
	if got := w.fetches(); got != before {
		t.Errorf("a forgery made it fetch:\n%s", got)
	}
	forged(t, s, "another's topic, well signed", w.notify(t, event, "TopicArn", strings.Replace(awsARN, "1", "9", 1)))
	mine := w.key
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	w.key = key
	forged(t, s, "another's key", w.notify(t, event))
	w.key = mine
}
