package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// supabase hands codes to a service that was written as Supabase Auth's hook for
// sending SMS: the same body, signed the same way. Such a service gets a code and
// writes its own text around it, so that it carries no notices.
type supabase struct {
	keyring.Redacted
	options Options
	client  *http.Client
	url     *url.URL
	keys    hookKeys
	plus    string // before the digits of a number
}

func supabaseKind() Kind {
	return Kind{
		Name:     "supabase",
		Doc:      "A service written as Supabase Auth's Send SMS hook. It gets codes alone, and no notices: another provider has to carry those.",
		Channels: []Channel{SMS, WhatsApp, Voice},
		Settings: []Setting{
			{Name: "url", Doc: "of the hook: https://host/path", Required: true},
			{Name: "secret", Doc: "as Supabase shows it: v1,whsec_…; several, separated by |, while the one follows the other", Secret: true, Required: true},
			{Name: "plus", Doc: "true writes numbers with a +. By default false: as Supabase has them"},
			allowPrivate,
		},
		New: newSupabase,
	}
}

func newSupabase(o Options) (Sender, error) {
	private, err := privately(o)
	if err != nil {
		return nil, err
	}
	s := &supabase{options: o}
	if s.client, s.url, err = operatorURL(o, o.Value("url"), private); err != nil {
		return nil, err
	}
	if s.keys, err = hookKeysOf(o.Value("secret")); err != nil {
		return nil, &SettingError{"secret", err.Error()}
	}
	if !s.keys.canSign() {
		return nil, &SettingError{"secret", "a whpk_ only checks: to sign takes whsec_… or whsk_…"}
	}
	switch o.Value("plus") {
	case "", "false":
	case "true":
		s.plus = "+"
	default:
		return nil, &SettingError{"plus", "is true or false"}
	}
	return s, nil
}

func (s *supabase) Name() string     { return s.options.Name }
func (s *supabase) Kind() string     { return "supabase" }
func (s *supabase) Channel() Channel { return s.options.Channel }

// Receipts are none: such a hook tells of none.
func (s *supabase) Receipts(context.Context, Callback) ([]Receipt, error) { return nil, ErrNoReceipts }

func (s *supabase) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// supabaseCall has what such services read of Supabase's call. The user's id is the
// challenge's: who it is for is not known before the code was entered.
type supabaseCall struct {
	Metadata struct {
		UUID string    `json:"uuid"`
		Time time.Time `json:"time"`
		Name string    `json:"name"`
	} `json:"metadata"`
	User supabaseUser `json:"user"`
	SMS  struct {
		OTP   string `json:"otp"`
		Phone string `json:"phone"`
	} `json:"sms"`
}

type supabaseUser struct {
	ID           string         `json:"id"`
	Aud          string         `json:"aud"`
	Role         string         `json:"role"`
	Email        string         `json:"email"`
	Phone        string         `json:"phone"`
	AppMetadata  map[string]any `json:"app_metadata"`
	UserMetadata map[string]any `json:"user_metadata"`
	Identities   []string       `json:"identities"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	IsAnonymous  bool           `json:"is_anonymous"`
}

// Send posts the code. A 2xx without an error in it is a word that it was taken.
func (s *supabase) Send(ctx context.Context, m Message) (Sent, error) {
	if m.Code == "" {
		return Sent{}, &SendError{Class: Failover, Code: "no_code", Cause: errors.New("a hook of Supabase's carries codes alone, and this message has none")}
	}
	body, err := json.Marshal(s.call(m))
	if err != nil {
		return Sent{}, &SendError{Class: Failover, Cause: errors.New("the message cannot be written as JSON")}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	s.keys.sign(header, m.ID, s.options.Now(), body)
	got, err := callOut(ctx, s.client, http.MethodPost, s.url.String(), header, body)
	if err != nil {
		return Sent{}, err
	}
	return Sent{}, supabaseRefusal(got)
}

func (s *supabase) call(m Message) supabaseCall {
	phone := s.plus + strings.TrimPrefix(m.To.E164(), "+")
	var c supabaseCall
	c.Metadata.UUID, c.Metadata.Time, c.Metadata.Name = m.ID, m.CreatedAt.UTC(), "send-sms"
	c.User = supabaseUser{
		ID: m.ChallengeID, Aud: "authenticated", Role: "authenticated", Phone: phone,
		AppMetadata:  map[string]any{"provider": "phone", "providers": []string{"phone"}},
		UserMetadata: map[string]any{"locale": m.Locale}, Identities: []string{},
		CreatedAt: m.CreatedAt.UTC(), UpdatedAt: m.CreatedAt.UTC(),
	}
	c.SMS.OTP, c.SMS.Phone = m.Code.Reveal(), phone
	return c
}

// supabaseRefusal reads what is wrong: by the status, or in a success by the
// error's http_code. Its message, which may hold anything, is not repeated.
func supabaseRefusal(got answer) error {
	var told struct {
		Error *struct {
			HTTPCode int `json:"http_code"`
		} `json:"error"`
	}
	switch read := got.decode(&told); {
	case !got.success():
		return got.byStatus("")
	case !read || told.Error == nil:
		return nil
	case told.Error.HTTPCode < 400 || told.Error.HTTPCode > 599:
		return &SendError{Class: Failover, Cause: errors.New("an error of no status in an answer of success")}
	}
	got.status = told.Error.HTTPCode
	return got.byStatus("")
}

// Check looks whether somebody answers: to ask for more, such a hook has no way.
func (s *supabase) Check(ctx context.Context) []Finding {
	return answers(ctx, s.client, s.url.String())
}
