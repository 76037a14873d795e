package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// check refuses what is wrong or unsafe, and fills in what follows from other
// settings: PublicURL and Audience.
func (l *loader) check(c *Config) {
	l.checkListeners(c)
	l.checkPublicURL(c)
	l.checkTLS(c)
	l.checkExposure(c)
	l.checkOrigins(c)
	l.checkProxies(c)
	l.checkKeysAndFiles(c)
	l.checkStores(c)
	l.checkNumbers(c)
	l.checkTexts(c)
	l.checkSpans(c)
	l.checkLimits(c)
	l.checkCaptcha(c)
	l.checkMoney(c)
	l.checkProviders(c)
	l.checkTestNumbersUntil(c)
}

// Loopback tells whether an address (host:port) is reached from this machine
// alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && LoopbackHost(host)
}

// LoopbackHost tells whether a host names this machine alone. Names other than
// localhost do not count, whatever they resolve to.
func LoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback()
}

func (l *loader) checkListeners(c *Config) {
	l.checkAddress("listen", c.Listen)
	l.checkAddress("operator_listen", c.OperatorListen)
	if c.Listen == c.OperatorListen && !strings.HasSuffix(c.Listen, ":0") {
		l.refuseSetting("operator_listen", "is the public listener's address too; give it a port of its own")
	}
}

func (l *loader) checkAddress(name, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.refuseSetting(name, "must be an address and a port, such as 127.0.0.1:8420 or [::1]:8420")
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		l.refuseSetting(name, "its port must be a number from 0 to 65535 (0 takes any free one)")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
		l.refuseSetting(name, "its host must be an IP address or localhost, such as 127.0.0.1:8420")
	}
}

// checkPublicURL also derives it where it is not set. Port 0 stays in it: the
// server replaces it once the port is known.
func (l *loader) checkPublicURL(c *Config) {
	if c.PublicURL == "" {
		if !l.wasRead("listen") {
			return
		}
		if !Loopback(c.Listen) {
			l.refuseSetting("public_url", "must be set when listen (%s) is not loopback: it is what clients reach the server as, such as https://id.example.com", c.Listen)
			return
		}
		c.PublicURL = "http://" + c.Listen
		if c.TLSCert != "" {
			c.PublicURL = "https://" + c.Listen
		}
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	if problem := publicURLProblem(c.PublicURL); problem != "" {
		l.refuseSetting("public_url", "%s", problem)
	}
	if c.Audience == "" {
		c.Audience = c.PublicURL
	}
}

func publicURLProblem(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || !u.IsAbs() || u.Hostname() == "":
		return "must be an absolute URL, such as https://id.example.com"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(text, "#") || u.User != nil:
		return "must have no user, query or fragment"
	case u.Path != "":
		return "must have no path: the API stands at the root of its host"
	case u.Scheme != "https" && u.Scheme != "http":
		return "must begin with https://"
	case u.Scheme == "http" && !LoopbackHost(u.Hostname()):
		return "must begin with https:// unless its host is loopback: tokens would travel in the clear"
	}
	return ""
}

func (l *loader) checkTLS(c *Config) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return
	case c.TLSCert == "":
		l.refuseSetting("tls_key", "needs tls_cert beside it")
		return
	case c.TLSKey == "":
		l.refuseSetting("tls_cert", "needs tls_key beside it")
		return
	}
	if !l.checkReadable("tls_cert", c.TLSCert) || !l.checkReadable("tls_key", c.TLSKey) {
		return
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		l.refuseSetting("tls_cert", "does not go with tls_key: %v", err)
	}
}

func (l *loader) checkReadable(name, path string) bool {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("is not a file")
	}
	if err == nil {
		var file *os.File
		if file, err = os.Open(path); err == nil {
			file.Close()
		}
	}
	if err != nil {
		l.refuseSetting(name, "cannot be read (%v); give the path of a file that this process may read", err)
	}
	return err == nil
}

// checkExposure refuses what only this machine may reach on listeners that
// others reach too.
func (l *loader) checkExposure(c *Config) {
	for _, listener := range []struct{ name, address string }{{"listen", c.Listen}, {"operator_listen", c.OperatorListen}} {
		if !l.wasRead(listener.name) || Loopback(listener.address) {
			continue
		}
		if c.TLSCert == "" && len(c.TrustedProxies) == 0 {
			l.refuseSetting(listener.name, "is not loopback, so that strangers could listen in: set tls_cert and tls_key, or trusted_proxies where a proxy speaks TLS for the server") // C-92
		}
		if c.LimitsDisabled {
			l.refuseSetting("limits_disabled", "is refused unless both listeners are loopback, and %s is %s", listener.name, listener.address) // C-36
		}
		if listener.name == "listen" && c.InboxServed() && !c.Dev {
			l.refuseSetting(listener.name, "is not loopback, and messages go to an inbox that everybody who reaches the listener can read: name a real provider in sms_providers and no inbox, listen on loopback, or say --dev where this is what you want") // C-83
		}
	}
}

// checkProxies refuses prefixes that hold half the world: whoever is in one
// chooses the address that is counted.
func (l *loader) checkProxies(c *Config) {
	for _, prefix := range c.TrustedProxies {
		if least := map[bool]int{true: 8, false: 16}[prefix.Addr().Is4()]; prefix.Bits() < least {
			l.refuseSetting("trusted_proxies", "%s would believe whatever strangers say of their address; name the proxies' own networks, /%d at most", prefix, least)
		}
	}
}

func (l *loader) checkOrigins(c *Config) {
	for _, origin := range c.AllowedOrigins {
		if !exactOrigin(origin) {
			l.refuseSetting("allowed_origins", "%q is not an origin as browsers send it: scheme://host or scheme://host:port in lower case, without a path, a closing slash or the scheme's own port", origin)
		}
	}
}

func exactOrigin(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || strings.Contains(u.Host, "*") {
		return false
	}
	own := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	return u.Port() != own && !strings.HasSuffix(u.Host, ":") && origin == u.Scheme+"://"+strings.ToLower(u.Host)
}

func (l *loader) checkKeysAndFiles(c *Config) {
	if c.MasterKey.Reveal() != "" {
		masters, err := keyring.ParseMasters(c.MasterKey.Reveal())
		if err == nil {
			_, err = keyring.New(masters) // refuses a key that is listed twice
		}
		if err != nil {
			l.refuseSetting("master_key", "%v", err)
		}
	}
	if info, err := os.Stat(c.DataDir); err == nil && !info.IsDir() {
		l.refuseSetting("data_dir", "is not a directory")
	}
	if c.PasswordList != "" {
		l.checkReadable("password_list", c.PasswordList)
	}
}

func (l *loader) checkNumbers(c *Config) {
	if c.DefaultRegion != "" && !region(c.DefaultRegion) {
		l.refuseSetting("default_region", "must be a country in two capital letters, such as US or DE")
	}
	for _, country := range c.SMSCountries {
		if !region(country) {
			l.refuseSetting("sms_countries", "%q is no country in two capital letters, such as US or DE", country)
		}
	}
	for number, code := range c.TestNumbers {
		if !digits(strings.TrimPrefix(number, "+"), 8, 15) || !strings.HasPrefix(number, "+") || !digits(code, 6, 6) {
			l.refuseSetting("test_numbers", "must be numbers with + and country code, each with a code of six digits: +15005550006=123456")
			return
		}
	}
}

func region(text string) bool {
	return text == strings.ToUpper(text) && phone.ValidRegion(text)
}

func digits(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && strings.Trim(text, "0123456789") == ""
}

// appHash is a part of a base64 text, as the SMS Retriever takes it.
var appHash = regexp.MustCompile(`^[A-Za-z0-9+/]{11}$`)

func (l *loader) checkTexts(c *Config) {
	const longest = 30 // code points: a message must fit its segments
	bad := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("@#/:", r) }
	if !utf8.ValidString(c.AppName) || utf8.RuneCountInString(c.AppName) > longest || strings.ContainsFunc(c.AppName, bad) {
		l.refuseSetting("app_name", "must be at most %d letters, digits and blanks: it stands in every message, where @, #, / and : mean something to phones", longest)
	}
	if c.SMSTemplates != "" {
		l.checkReadable("sms_templates", c.SMSTemplates)
	}
	if c.AndroidAppHash != "" && !appHash.MatchString(c.AndroidAppHash) {
		l.refuseSetting("android_app_hash", "must be the 11 characters (letters, digits, + and /) that Android's AppSignatureHelper tells for the app's signing certificate")
	}
	l.checkWord("log_format", c.LogFormat, "text", "json")
}

func (l *loader) checkSpans(c *Config) {
	const year = 365 * 24 * time.Hour
	l.checkSpan("code_ttl", c.CodeTTL, time.Minute, 10*time.Minute) // C-02
	l.checkSpan("access_token_ttl", c.AccessTokenTTL, time.Second, 10*time.Minute)
	if l.wasRead("access_token_ttl") && c.AccessTokenTTL%time.Second != 0 {
		l.refuseSetting("access_token_ttl", "must be whole seconds, as tokens tell their times")
	}
	if c.JWTKeyRotation != 0 { // C-90: a key is published for an hour before it signs
		l.checkSpan("jwt_key_rotation", c.JWTKeyRotation, 2*time.Hour, year)
	}
	l.checkSpan("refresh_grace", c.RefreshGrace, 0, time.Minute)
	l.checkSpan("reauth_window", c.ReauthWindow, time.Second, 24*time.Hour)
	l.checkSpan("session_idle_timeout", c.SessionIdleTimeout, time.Second, 10*year)
	l.checkSpan("session_lifetime", c.SessionLifetime, time.Second, 10*year)
	if _, given := l.given["session_idle_timeout"]; !given {
		c.SessionIdleTimeout = min(c.SessionIdleTimeout, c.SessionLifetime)
	}
	if l.wasRead("session_idle_timeout") && l.wasRead("session_lifetime") && c.SessionIdleTimeout > c.SessionLifetime {
		l.refuseSetting("session_idle_timeout", "is longer than session_lifetime (%v), so that it would mean nothing; make it as long at most", c.SessionLifetime)
	}
	if l.wasRead("password_min_length") && (c.PasswordMinLength < 8 || c.PasswordMinLength > 64) {
		l.refuseSetting("password_min_length", "must be 8 to 64 code points") // C-13
	}
}

func (l *loader) checkSpan(name string, d, least, most time.Duration) {
	if l.wasRead(name) && (d < least || d > most) {
		l.refuseSetting(name, "must be %v to %v", least, most)
	}
}
