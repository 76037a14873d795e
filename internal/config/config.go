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

	DatabaseURL keyring.Secret `name:"database_url" secret:"true" doc:"PostgreSQL 15 or newer, for any number of instances: postgres://user:password@host:5432/countersign?sslmode=verify-full. Several hosts (host1:5432,host2:5432) with target_session_attrs=read-write follow a failover; default_query_exec_mode=exec goes through PgBouncer's transaction pooling; pool_max_conns=16 bounds the connections of an instance. master_key must be set then. By default SQLite in data_dir."`
	RedisURL    keyring.Secret `name:"redis_url" secret:"true" doc:"Redis 7 or newer, where several instances count their limits together: rediss://user:password@host:6379/0, redis:// without TLS, unix:// for a socket; more addresses of a cluster or of sentinels as ?addr=host2:6379, sentinels with &master_set=name. By default each instance counts its share of every limit."`

	AppName       string   `name:"app_name" default:"Countersign" doc:"The name that messages call the service by. Passwords that contain it are refused."`
	DefaultRegion string   `name:"default_region" doc:"Two-letter country in which numbers typed without + are read. By default these are refused."`
	SMSCountries  []string `name:"sms_countries" doc:"Two-letter countries that messages may go to. The development inbox takes all."`

	SMSTemplates   string `name:"sms_templates" doc:"File with texts of messages in place of the built-in ones: a YAML mapping of languages to purposes to texts, such as en: {login: \"{app}: {code} is your sign-in code.\"}. docs/texts.md tells more."`
	AndroidAppHash string `name:"android_app_hash" doc:"The hash of 11 characters by which the SMS Retriever of Android gives a message to its app. It ends the messages that a device of platform android asks for."`

	TestNumbers      map[string]string `name:"test_numbers" secret:"true" doc:"Numbers that get no message and have a fixed code of six digits, for app-store reviews: +15005550006=123456,... Whoever knows such a code can sign in as its number."`
	TestNumbersUntil time.Time         `name:"test_numbers_until" doc:"When the test numbers end, as a date (2026-12-31, to the end of that day in UTC) or a time (2026-12-31T12:00:00Z). From then on they are numbers like any other. By default 30 days after the server was started."`

	SMSProviders []Provider `name:"sms_providers" secret:"true" doc:"Who takes messages: a list of entries, each of one kind and one channel. Without one, messages go to the development inbox. A real provider needs sms_countries and an sms_budget of an hour, a day or a month. In the environment the list is YAML or JSON; a value ${NAME} is taken from the environment variable NAME."`
	SMSCurrency  string     `name:"sms_currency" default:"USD" doc:"The currency of all prices and budgets, in three capital letters (ISO 4217). What a provider says that it cost in another is not counted; the price set here is."`
	SMSRouting   string     `name:"sms_routing" default:"learn" doc:"Which provider takes a message: learn goes by the share of codes that are entered, and by price; fixed by the order of sms_providers."`

	SMSPrices             map[string]Decimal `name:"sms_prices" doc:"What a segment of a message costs, by country or by beginning of the number: US=0.008,+49151=0.07,*=0.2. The longest beginning wins, then the country; * is everywhere else. They go before a rough built-in table in US dollars; whoever counts in another currency names every country. With neither this nor sms_budget set, messages cost nothing."`
	SMSBudget             map[string]Budget  `name:"sms_budget" doc:"What messages may cost in an hour, a day and a month (31 days), all countries together, in one country, and in each country (*) that has no budget of its own: hour=20,day=100,month=1000,US/day=50,*/hour=5. What would cost more waits, or is refused."`
	SMSBudgetStrangersPct int                `name:"sms_budget_strangers_pct" default:"80" doc:"How much of each budget may go to people who do not sign in from a device that is known already, in per cent: 1 to 100. The rest is kept for known devices."`
	SendGuard             string             `name:"send_guard" default:"enforce" doc:"What happens to a prefix, country or address whose codes are asked for and not used: enforce pauses messages, monitor only tells."`

	LimitsDisabled bool            `name:"limits_disabled" default:"false" doc:"Switches rate limits, delays and locks off, never the guesses that a challenge allows. Refused unless both listeners are loopback."`
	Limits         map[string]Rate `name:"limits" doc:"Changes limits: begin_address=600/1h,send_prefix=40/30m. Any window of that length (1s to 744h) holds that many at most (0 to 10000000); 0 admits nobody. countersign config reference lists the limits, their defaults and who is counted."`
	LimiterMemory  int             `name:"limiter_memory" default:"64" doc:"How much memory the limits may take, in MiB: 8 to 65536. It bounds how many addresses, networks and prefixes are counted at once."`

	CaptchaProvider string         `name:"captcha_provider" doc:"What strangers solve before a message is sent to them: altcha (a proof of work of our own, no third party), hcaptcha, turnstile, recaptcha, or off. One that is named is also a way on for numbers whose messages are used up. By default the proof of work, under attack alone."`
	CaptchaSiteKey  string         `name:"captcha_site_key" doc:"The site key that hcaptcha, turnstile or recaptcha gave for the site."`
	CaptchaSecret   keyring.Secret `name:"captcha_secret" secret:"true" doc:"The secret that hcaptcha, turnstile or recaptcha gave for the site."`
	CaptchaFailOpen bool           `name:"captcha_fail_open" default:"false" doc:"Lets people pass while hcaptcha, turnstile or recaptcha is out of reach. By default they are told to try again."`

	Alerts     map[string]Rate `name:"alerts" doc:"Changes when alerts are raised: failures_per_address=50/5m. 0 switches an alert off. countersign config reference lists the alerts and their defaults."`
	AlertQuiet time.Duration   `name:"alert_quiet" default:"15m" doc:"For how long an alert that was raised is not raised again for the same cause: 1m to 24h."`

	CodeTTL            time.Duration `name:"code_ttl" default:"10m" doc:"How long a code lives: 1m to 10m."`
	AccessTokenTTL     time.Duration `name:"access_token_ttl" default:"5m" doc:"How long an access token lives: 1s to 10m."`
	JWTKeyRotation     time.Duration `name:"jwt_key_rotation" default:"720h" doc:"How long a key signs access tokens before the next one takes over: 2h to 8760h, or 0 for ever. The next key is published an hour before; docs/keys.md tells more."`
	RefreshGrace       time.Duration `name:"refresh_grace" default:"10s" doc:"How long the predecessor of a refresh token still gets the same successor: 0s to 1m."`
	SessionIdleTimeout time.Duration `name:"session_idle_timeout" default:"720h" doc:"A session ends after so long without a refresh. NIST SP 800-63B-4 asks for at most 1h at AAL2."`
	SessionLifetime    time.Duration `name:"session_lifetime" default:"8760h" doc:"A session ends after so long in any case. NIST SP 800-63B-4 asks for at most 24h at AAL2, 720h at AAL1."`
	ReauthWindow       time.Duration `name:"reauth_window" default:"10m" doc:"How fresh the last sign-in must be for what asks for fresh authentication: 1s to 24h."`

	PasswordMinLength int    `name:"password_min_length" default:"8" doc:"The shortest password, in code points: 8 to 64. NIST SP 800-63B-4 asks for 15 where a password signs in alone."`
	PasswordList      string `name:"password_list" doc:"File with passwords to refuse beside the built-in list, one a line."`

	LogFormat string `name:"log_format" default:"text" doc:"Form of the process log on standard error: text or json. The security log is always JSON."`
	Dev       bool   `name:"dev" default:"false" doc:"Allows the development inbox on a public listener that is not loopback: everybody who reaches it can read every code."`
}
