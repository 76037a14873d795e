package gateway

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // topics of signature version 1 sign with it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"
)

const (
	snsCertificates = 8  // that are kept
	snsTokens       = 64 // of confirmed subscriptions that are kept
)

// The hosts that are called for what a callback names: the service itself, and for
// the certificate above its own, which it does not send, the authority's.
var (
	snsHost      = regexp.MustCompile(`^sns\.[a-z0-9-]{3,}\.amazonaws\.com(\.cn)?$`)
	snsPEM       = regexp.MustCompile(`^https://[^/?#]+/[A-Za-z0-9/_.-]+\.pem$`) // an address without a query
	snsAuthority = regexp.MustCompile(`^crt\.[a-z0-9-]+\.amazontrust\.com$`)
)

// sns takes the messages of one topic of Amazon SNS. It is safe for concurrent use.
type sns struct {
	http  *http.Client
	topic string
	roots *x509.CertPool // nil: the system's

	fetching     sync.Mutex // held over a fetch: whoever knows the topic's name can ask for many
	mu           sync.Mutex
	certificates map[string]*x509.Certificate // by address; those whose chain was verified
	confirmed    map[string]bool              // tokens of subscriptions
}

// snsEnvelope is what SNS posts. What is signed of it depends on which members are
// there: those that may be absent are pointers.
type snsEnvelope struct {
	Type             string  `json:"Type"`
	MessageID        string  `json:"MessageId"`
	TopicArn         string  `json:"TopicArn"`
	Subject          *string `json:"Subject"`
	Message          string  `json:"Message"`
	Timestamp        string  `json:"Timestamp"`
	Token            *string `json:"Token"`
	SubscribeURL     *string `json:"SubscribeURL"`
	SignatureVersion string  `json:"SignatureVersion"`
	Signature        string  `json:"Signature"`
	SigningCertURL   string  `json:"SigningCertURL"`
}

// receive gives the message of a callback that the topic signed; "" for a callback
// about the subscription, which it confirms. Its error is ErrForged, or another
// for what cannot be read or done now.
func (s *sns) receive(ctx context.Context, c Callback) (string, error) {
	var e snsEnvelope
	if c.Method != http.MethodPost || json.Unmarshal(c.Body, &e) != nil {
		return "", errReceipt
	}
	if e.TopicArn != s.topic || c.Header.Get("X-Amz-Sns-Message-Type") != e.Type {
		return "", ErrForged
	}
	if err := s.verify(ctx, e, c.Now); err != nil {
		return "", err
	}
	switch e.Type {
	case "Notification":
		return e.Message, nil
	case "SubscriptionConfirmation":
		return "", s.confirm(ctx, e)
	default: // the end of a subscription: an operator's doing
		return "", nil
	}
}

// verify tells whether an envelope is signed with a certificate of the service.
func (s *sns) verify(ctx context.Context, e snsEnvelope, now time.Time) error {
	if !snsAddress(e.SigningCertURL) || !snsPEM.MatchString(e.SigningCertURL) {
		return ErrForged
	}
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	text, ok := e.signed()
	if err != nil || !ok {
		return ErrForged
	}
	var hash crypto.Hash
	var sum []byte
	switch e.SignatureVersion {
	case "1":
		short := sha1.Sum([]byte(text)) //nolint:gosec // as above
		hash, sum = crypto.SHA1, short[:]
	case "2":
		long := sha256.Sum256([]byte(text))
		hash, sum = crypto.SHA256, long[:]
	default:
		return ErrForged
	}
	certificate, err := s.certificate(ctx, e.SigningCertURL, now)
	if err != nil {
		return err
	}
	key, ok := certificate.PublicKey.(*rsa.PublicKey)
	if !ok || rsa.VerifyPKCS1v15(key, hash, sum, signature) != nil {
		return ErrForged
	}
	return nil
}

// signed is what the service signs of an envelope; false for a type that it does
// not have.
func (e snsEnvelope) signed() (string, bool) {
	text := ""
	add := func(name string, value *string) {
		if value != nil {
			text += name + "\n" + *value + "\n"
		}
	}
	add("Message", &e.Message)
	add("MessageId", &e.MessageID)
	switch e.Type {
	case "Notification":
		add("Subject", e.Subject)
		add("Timestamp", &e.Timestamp)
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		add("SubscribeURL", e.SubscribeURL)
		add("Timestamp", &e.Timestamp)
		add("Token", e.Token)
	default:
		return "", false
	}
	add("TopicArn", &e.TopicArn)
	add("Type", &e.Type)
	return text, true
}

// confirm visits the address of a subscription, once for each token.
func (s *sns) confirm(ctx context.Context, e snsEnvelope) error {
	if e.SubscribeURL == nil || e.Token == nil || !snsAddress(*e.SubscribeURL) {
		return ErrForged
	}
	s.fetching.Lock()
	defer s.fetching.Unlock()
	s.mu.Lock()
	done := s.confirmed[*e.Token]
	s.mu.Unlock()
	if done {
		return nil
	}
	if _, err := s.fetch(ctx, *e.SubscribeURL); err != nil {
		return fmt.Errorf("confirming the subscription: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.confirmed == nil || len(s.confirmed) >= snsTokens {
		s.confirmed = map[string]bool{}
	}
	s.confirmed[*e.Token] = true
	return nil
}

// certificate gives that at an address of the service, if its chain ends in a root
// that is trusted.
func (s *sns) certificate(ctx context.Context, at string, now time.Time) (*x509.Certificate, error) {
	if kept := s.kept(at, now); kept != nil {
		return kept, nil
	}
	s.fetching.Lock()
	defer s.fetching.Unlock()
	if kept := s.kept(at, now); kept != nil { // another fetched it meanwhile
		return kept, nil
	}
	text, err := s.fetch(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("fetching the certificate of the signature: %w", err)
	}
	own, err := s.chain(ctx, text, now)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.certificates == nil || len(s.certificates) >= snsCertificates {
		s.certificates = map[string]*x509.Certificate{}
	}
	s.certificates[at] = own
	return own, nil
}

// kept gives a certificate that was verified before and is still valid; nil for none.
func (s *sns) kept(at string, now time.Time) *x509.Certificate {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.certificates[at]; c != nil && now.Before(c.NotAfter) {
		return c
	}
	return nil
}

// chain reads a certificate and those that came with it, and verifies it. The
// service sends its own alone: the one above it is then fetched from the
// authority, by the address that it holds.
func (s *sns) chain(ctx context.Context, text []byte, now time.Time) (*x509.Certificate, error) {
	var own *x509.Certificate
	between := x509.NewCertPool()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, ErrForged
		}
		if own == nil {
			own = certificate
		} else {
			between.AddCert(certificate)
		}
	}
	if own == nil {
		return nil, ErrForged
	}
	options := x509.VerifyOptions{
		Roots: s.roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	_, err := own.Verify(options)
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) && len(own.IssuingCertificateURL) > 0 {
		above, e := s.authority(ctx, own.IssuingCertificateURL[0])
		if e != nil {
			return nil, e
		}
		between.AddCert(above)
		_, err = own.Verify(options)
	}
	if err != nil {
		return nil, ErrForged
	}
	return own, nil
}

// authority fetches a certificate of the authority's. It comes by plain HTTP, as
// such addresses do: what makes it good is a trusted root's signature.
func (s *sns) authority(ctx context.Context, at string) (*x509.Certificate, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !snsAuthority.MatchString(u.Host) || u.User != nil {
		return nil, ErrForged
	}
	text, err := s.fetch(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("fetching the certificate above that of the signature: %w", err)
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	certificate, err := x509.ParseCertificate(text)
	if err != nil {
		return nil, ErrForged
	}
	return certificate, nil
}

// fetch gets what stands at an address; anything but 200 is an error.
func (s *sns) fetch(ctx context.Context, at string) ([]byte, error) {
	a, err := call(ctx, s.http, http.MethodGet, at, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", a.status)
	}
	return a.body, nil
}

// snsAddress tells whether an address is one of the service's, over TLS.
func snsAddress(at string) bool {
	u, err := url.Parse(at)
	return err == nil && u.Scheme == "https" && u.User == nil && snsHost.MatchString(u.Host)
}
