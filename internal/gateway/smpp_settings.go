package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

// smppSettings are the settings of a message centre, read.
type smppSettings struct {
	address     string // host:port
	login       smpp.Bind
	serviceType string
	tls         *tls.Config // nil: without
	binds       int
	window      int
	form        smpp.Form
	decimal     bool // ids are hexadecimal in answers and decimal in receipts
}

// readSMPP reads and checks them. Its error is a *SettingError.
func readSMPP(o Options) (smppSettings, error) {
	s := smppSettings{
		login:       smpp.Bind{SystemID: o.Value("system_id"), Password: o.Values["password"], SystemType: o.Value("system_type")},
		serviceType: o.Value("service_type"),
		form:        smpp.Form{Latin1: o.Value("alphabet") == "latin1", Long: smpp.LongForm(o.Value("long_text"))},
		decimal:     o.Value("receipt_ids") == "decimal",
	}
	for _, limit := range []struct {
		name string
		most int
	}{{"system_id", 15}, {"password", 8}, {"system_type", 12}, {"service_type", 5}} {
		if v := o.Value(limit.name); len(v) > limit.most || strings.ContainsRune(v, 0) {
			return s, &SettingError{limit.name, fmt.Sprintf("must have %d octets at most: SMPP has no room for more", limit.most)}
		}
	}
	for name, words := range map[string][]string{
		"alphabet": {"gsm", "latin1"}, "long_text": {"udh", "sar", "payload"}, "receipt_ids": {"same", "decimal"}, "tls": {"true", "false"},
	} {
		if v := o.Value(name); v != "" && !slices.Contains(words, v) {
			return s, &SettingError{name, "must be one of " + strings.Join(words, ", ")}
		}
	}
	for _, from := range o.From {
		if smppAddress(from) == (smpp.Address{}) {
			return s, &SettingError{"from", "must be a number with +, a short code of 3 to 8 digits, or a name of 11 letters and digits at most, one a letter"}
		}
	}
	var problem error
	if s.binds, problem = smppCount(o, "binds", 1, 8); problem != nil {
		return s, problem
	}
	if s.window, problem = smppCount(o, "window", 10, 10); problem != nil {
		return s, problem
	}
	return s, s.connect(o)
}

// smppCount reads a number from 1 to most.
func smppCount(o Options, name string, absent, most int) (int, error) {
	v := o.Value(name)
	if v == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, &SettingError{name, fmt.Sprintf("must be a number from 1 to %d", most)}
	}
	return n, nil
}

// connect reads what a connection needs.
func (s *smppSettings) connect(o Options) error {
	port := "2775"
	if o.Value("tls") == "true" {
		port = "3550"
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	host, given, err := net.SplitHostPort(o.Value("address"))
	if err != nil {
		host, given = strings.Trim(o.Value("address"), "[]"), port
	}
	if n, err := strconv.ParseUint(given, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
		return &SettingError{"address", "must be host or host:port, without smpp://"}
	}
	s.address = net.JoinHostPort(host, given)
	if s.tls != nil {
		s.tls.ServerName = host
	}
	file := o.Value("ca_file")
	switch {
	case file == "":
		return nil
	case s.tls == nil:
		return &SettingError{"ca_file", "has a meaning only with tls: true"}
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return &SettingError{"ca_file", "cannot be read: " + err.Error()}
	}
	s.tls.RootCAs = x509.NewCertPool()
	if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
		return &SettingError{"ca_file", "has no certificate in PEM form"}
	}
	return nil
}

// smppAddress is a sender with its type and plan: a number (+49…), a short code or
// a name. It is zero for "" (the centre has a default), and for what is none of them.
func smppAddress(from string) smpp.Address {
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	name := func(r rune) bool {
		return r == ' ' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("&-._+", r)
	}
	number, international := strings.CutPrefix(from, "+")
	switch {
	case international && digits(number) && len(number) >= 7 && len(number) <= 15:
		return smpp.Address{TON: 1, NPI: 1, Addr: number}
	case digits(from) && len(from) >= 3 && len(from) <= 8:
		return smpp.Address{TON: 3, NPI: 0, Addr: from}
	case !digits(number) && len(from) <= 11 && !strings.ContainsFunc(from, func(r rune) bool { return !name(r) }) &&
		strings.ContainsFunc(from, func(r rune) bool { return r >= 'A' }):
		return smpp.Address{TON: 5, NPI: 0, Addr: from}
	}
	return smpp.Address{}
}

// sentID is the form in which an id of an answer is kept.
func (s *smppSettings) sentID(id string) string {
	if s.decimal {
		return inDecimal(id, 16)
	}
	return id
}

// receiptID brings an id of a receipt to the same form. One with hexadecimal letters
// is not decimal, whatever the settings say.
func (s *smppSettings) receiptID(id string) string {
	switch {
	case !s.decimal:
		return id
	case strings.ContainsAny(id, "abcdefABCDEF"):
		return inDecimal(id, 16)
	}
	return inDecimal(id, 10)
}

// inDecimal writes a number of some base in decimal; what is none stays as it is.
func inDecimal(id string, base int) string {
	n, ok := new(big.Int).SetString(id, base)
	if !ok {
		return id
	}
	return n.String()
}
