package config

import (
	"net/netip"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// Config is the settings of one server. A field's tags are its name in the
// file (the environment and the flag follow from it), its default as a person
// would write it, and what it means.
//
// A secret's value is never shown, and it has no flag: the list of running
// processes shows those to everybody on the machine.
type Config struct {
	Listen         string   `name:"listen" default:"127.0.0.1:8420" doc:"Address and port of the public listener. Off loopback it needs TLS or a trusted proxy."`
	OperatorListen string   `name:"operator_listen" default:"127.0.0.1:8421" doc:"Address and port of the operator listener. Off loopback it needs TLS or a trusted proxy."`
	PublicURL      string   `name:"public_url" doc:"What clients reach the server as: the issuer of its tokens, and where its links lead. By default the public listener's address, while that is loopback."`
	Audience       string   `name:"audience" doc:"The aud of access tokens. By default the same as public_url."`
	AllowedOrigins []string `name:"allowed_origins" doc:"Exact origins (scheme://host[:port]) whose pages may call the API from a browser."`
	TLSCert        string   `name:"tls_cert" doc:"File with the certificate chain (PEM). With tls_key, both listeners speak TLS."`
	TLSKey         string   `name:"tls_key" doc:"File with the certificate's private key (PEM)."`

	TrustedProxies []netip.Prefix `name:"trusted_proxies" doc:"Address prefixes of the proxies in front of the server. Only what they forward is believed about a client's address."`

	DataDir   string         `name:"data_dir" default:"./data" doc:"Directory of the database, the keys and the security log. Made with mode 0700 when it is missing."`
	MasterKey keyring.Secret `name:"master_key" secret:"true" doc:"One or several keys of 32 bytes in base64, separated by commas: the first one signs, all of them open. By default the file master.key in the data directory, made at the first start."`

	AppName       string   `name:"app_name" default:"Countersign" doc:"The name that messages call the service by. Passwords that contain it are refused."`
	DefaultRegion string   `name:"default_region" doc:"Two-letter country in which numbers typed without + are read. By default these are refused."`
	SMSCountries  []string `name:"sms_countries" doc:"Two-letter countries that messages may go to. The development inbox takes all."`

	TestNumbers map[string]string `name:"test_numbers" secret:"true" doc:"Numbers that get no message and have a fixed code of six digits, for app-store reviews: +15005550006=123456,... Whoever knows such a code can sign in as its number."`

	LimitsDisabled bool `name:"limits_disabled" default:"false" doc:"Switches rate limits, delays and locks off, never the guesses that a challenge allows. Refused unless both listeners are loopback."`

	CodeTTL            time.Duration `name:"code_ttl" default:"10m" doc:"How long a code lives: 1m to 10m."`
	AccessTokenTTL     time.Duration `name:"access_token_ttl" default:"5m" doc:"How long an access token lives: 1s to 10m."`
	RefreshGrace       time.Duration `name:"refresh_grace" default:"10s" doc:"How long the predecessor of a refresh token still gets the same successor: 0s to 1m."`
	SessionIdleTimeout time.Duration `name:"session_idle_timeout" default:"720h" doc:"A session ends after so long without a refresh. NIST SP 800-63B-4 asks for at most 1h at AAL2."`
	SessionLifetime    time.Duration `name:"session_lifetime" default:"8760h" doc:"A session ends after so long in any case. NIST SP 800-63B-4 asks for at most 24h at AAL2, 720h at AAL1."`
	ReauthWindow       time.Duration `name:"reauth_window" default:"10m" doc:"How fresh the last sign-in must be for what asks for fresh authentication: 1s to 24h."`

	PasswordMinLength int    `name:"password_min_length" default:"8" doc:"The shortest password, in code points: 8 to 64. NIST SP 800-63B-4 asks for 15 where a password signs in alone."`
	PasswordList      string `name:"password_list" doc:"File with passwords to refuse beside the built-in list, one a line."`

	LogFormat string `name:"log_format" default:"text" doc:"Form of the process log on standard error: text or json. The security log is always JSON."`
	Dev       bool   `name:"dev" default:"false" doc:"Allows the development inbox on a public listener that is not loopback: everybody who reaches it can read every code."`
}
