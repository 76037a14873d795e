package gateway

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/internal/keyring"
)

// generic is a provider that the settings describe: what a request looks like, and
// what its answers and its receipts mean.
type generic struct {
	keyring.Redacted
	options   Options
	client    *http.Client
	method    string
	url       template
	header    map[string]template
	body      template
	kind      string    // content type of the body; "" for no body
	encodings [2]string // what {{encoding}} says: of GSM 7 bit, of all else
	checkURL  string
	answers   genericAnswers
	receipts  *genericReceipts // nil: none
}

// The parts of a message that a template may have. A header cannot hold a text.
var (
	headerParts = []string{
		"to", "to_digits", "from", "id", "channel", "country", "locale", "purpose", "callback_url", "validity_seconds",
		"encoding", "dlt_entity", "dlt_template", "user", "password", "key",
	}
	messageParts = append([]string{"text", "code"}, headerParts...)
)

func genericKind() Kind {
	return Kind{
		Name:     "http",
		Doc:      "Any provider with an HTTP API, described by the settings: docs/gateway-http.md explains them with two examples.",
		Channels: []Channel{SMS, WhatsApp, Voice},
		Settings: slices.Concat([]Setting{
			{Name: "url", Doc: "a template: https://host/path?to={{to_digits}}. In url, headers and body may stand " + strings.Join(messageParts, ", ") + ", in double braces each; they are escaped as the place needs it", Secret: true, Required: true},
			{Name: "method", Doc: "POST (the default), PUT or GET"},
			{Name: "headers", Doc: "pairs of a name and a template", Secret: true},
			{Name: "content_type", Doc: "of body: application/x-www-form-urlencoded, application/json, application/xml, text/xml or text/plain"},
			{Name: "body", Doc: "a template of that type", Secret: true},
			{Name: "auth", Doc: "none (the default), basic (user and password), bearer (key), or header NAME (key)"},
			{Name: "user", Doc: "for auth, and {{user}} in templates"},
			{Name: "password", Doc: "for auth, and {{password}} in templates", Secret: true},
			{Name: "key", Doc: "for auth, and {{key}} in templates", Secret: true},
			{Name: "encodings", Doc: "what {{encoding}} says of a text of GSM 7 bit, and of any other: text,unicode by default"},
			{Name: "check_url", Doc: "an address at the same host that answers 2xx to a GET with these credentials, such as the balance: for `countersign doctor`"},
			allowPrivate,
		}, genericAnswerSettings(), genericReceiptSettings()),
		New: newGeneric,
	}
}

func newGeneric(o Options) (Sender, error) {
	g := &generic{options: o, method: http.MethodPost, encodings: [2]string{"text", "unicode"}}
	for _, read := range []func(Options) error{
		g.readURL, g.readMethod, g.readHeaders, g.readBody, g.readAuth, g.readEncodings, g.readCheckURL, g.needText,
		g.answers.read, g.readReceipts,
	} {
		if err := read(o); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// sample has values that break whatever does not escape them.
func sample(names []string) map[string]string {
	values := map[string]string{}
	for _, name := range names {
		values[name] = "<&>\"'\\ {}é\n%#?/;=+]]>"
	}
	values["to"], values["to_digits"], values["validity_seconds"] = "+14155550123", "14155550123", "600"
	return values
}

func (g *generic) readURL(o Options) error {
	private, err := privately(o)
	if err != nil {
		return err
	}
	if g.url, err = parseTemplate(o.Value("url"), inURL, messageParts); err != nil {
		return &SettingError{"url", err.Error()}
	}
	g.client, _, err = operatorURL(o, g.url.fill(sample(messageParts)), private)
	return err
}

func (g *generic) readMethod(o Options) error {
	if method := o.Value("method"); method != "" {
		g.method = method
	}
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodGet}, g.method) {
		return &SettingError{"method", "is POST, PUT or GET"}
	}
	return nil
}

// ownHeaders are those that the client or another setting writes.
var ownHeaders = []string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Te", "Trailer", "Upgrade", "User-Agent", "Accept-Encoding"}

func (g *generic) readHeaders(o Options) error {
	pairs, err := o.pairs("headers")
	if err != nil {
		return err
	}
	g.header = map[string]template{}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		if !headerName(name) {
			return &SettingError{"headers", "a name has to be of letters, digits and hyphens"}
		}
		if slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			return &SettingError{"headers", name + " cannot be set here"}
		}
		if printable(pairs[name]) != pairs[name] {
			return &SettingError{"headers", name + " may hold printable ASCII alone"}
		}
		t, err := parseTemplate(pairs[name], inHeader, headerParts)
		if err != nil {
			return &SettingError{"headers", name + " " + err.Error()}
		}
		g.header[name] = t
	}
	return nil
}

func headerName(s string) bool {
	rest := strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-")
	return s != "" && len(s) <= 64 && rest == ""
}

func (g *generic) readBody(o Options) error {
	text, kind := o.Value("body"), o.Value("content_type")
	if (text == "") != (kind == "") {
		return &SettingError{"content_type", "has to be set where body is, and only there"}
	}
	if text == "" {
		return nil
	}
	if g.method == http.MethodGet {
		return &SettingError{"body", "a GET has none; write its parameters into url"}
	}
	in, err := placeOf(kind)
	if err != nil {
		return &SettingError{"content_type", err.Error()}
	}
	g.kind = kind
	if g.body, err = parseTemplate(text, in, messageParts); err != nil {
		return &SettingError{"body", err.Error()}
	}
	if err := wellFormed(in, text, g.body.fill(sample(messageParts))); err != nil {
		return &SettingError{"body", err.Error()}
	}
	return nil
}

// placeOf tells how a body of a content type is escaped.
func placeOf(kind string) (place, error) {
	name, more, err := mime.ParseMediaType(kind)
	if charset := more["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", errors.New("is no content type, or its charset is not utf-8")
	}
	switch name {
	case "application/x-www-form-urlencoded":
		return inForm, nil
	case "application/json":
		return inJSON, nil
	case "application/xml", "text/xml":
		return inXML, nil
	case "text/plain":
		return inText, nil
	}
	return "", errors.New("is application/x-www-form-urlencoded, application/json, application/xml, text/xml or text/plain")
}

// wellFormed tries a body with values that would break one that is not.
func wellFormed(in place, text, filled string) error {
	switch in {
	case inForm:
		if _, err := url.ParseQuery(filled); err != nil || strings.ContainsAny(text, " \n\r\t") {
			return errors.New("is no form: write a={{to}}&b={{text}}, other values escaped, without spaces and line ends")
		}
	case inJSON:
		if !json.Valid([]byte(filled)) {
			return errors.New("is no JSON once it is filled in")
		}
	case inXML:
		if strings.Contains(text, "<!") {
			return errors.New("may hold no <!: comments, CDATA and document types are not escaped")
		}
		decoder := xml.NewDecoder(strings.NewReader(filled))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return errors.New("is no XML once it is filled in: parts may stand between tags and between the quotes of a value")
			}
		}
	}
	return nil
}

func (g *generic) readAuth(o Options) error {
	set := func(name, value string) {
		g.header[name] = template{pieces: []piece{{text: value}}}
	}
	kind, name, _ := strings.Cut(o.Value("auth"), " ")
	key := o.Value("key")
	if printable(key) != key {
		return &SettingError{"key", "may hold printable ASCII alone"}
	}
	switch {
	case kind == "" || kind == "none":
		return nil
	case kind == "basic" && (o.Value("user") == "" || o.Value("password") == ""):
		return &SettingError{"auth", "basic needs user and password"}
	case kind == "basic":
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(o.Value("user"), o.Value("password"))
		set("Authorization", r.Header.Get("Authorization"))
		return nil
	case key == "":
		return &SettingError{"auth", "bearer and header need key"}
	case kind == "bearer":
		set("Authorization", "Bearer "+key)
		return nil
	case kind == "header" && headerName(name) && !slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)):
		set(name, key)
		return nil
	}
	return &SettingError{"auth", "is none, basic, bearer, or header and a name"}
}

func (g *generic) readEncodings(o Options) error {
	if o.Value("encodings") == "" {
		return nil
	}
	words := o.list("encodings")
	if len(words) != 2 {
		return &SettingError{"encodings", "has to be two words, such as 0,8"}
	}
	g.encodings = [2]string(words)
	return nil
}

func (g *generic) readCheckURL(o Options) error {
	g.checkURL = o.Value("check_url")
	if g.checkURL == "" {
		return nil
	}
	own, err := url.Parse(g.url.fill(sample(messageParts)))
	if err != nil {
		return &SettingError{"url", "is no URL"}
	}
	other, err := url.Parse(g.checkURL)
	if err != nil || other.Scheme != own.Scheme || other.Host != own.Host || other.User != nil {
		return &SettingError{"check_url", "has to be at the scheme, host and port of url, since it gets the same credentials"}
	}
	return nil
}

// needText wants the request to say something.
func (g *generic) needText(Options) error {
	parts := slices.Concat(g.url.names(), g.body.names())
	if !slices.Contains(parts, "text") && !slices.Contains(parts, "code") {
		return &SettingError{"body", "neither url nor body has {{text}} or {{code}}: nothing would be said"}
	}
	for _, t := range g.header {
		parts = append(parts, t.names()...)
	}
	if !slices.Contains(parts, "to") && !slices.Contains(parts, "to_digits") {
		return &SettingError{"body", "neither url nor body has {{to}} or {{to_digits}}: nobody would be told"}
	}
	return nil
}

// pairs reads a setting that is a JSON object of texts.
func (o Options) pairs(name string) (map[string]string, error) {
	text := o.Value(name)
	if text == "" {
		return nil, nil
	}
	var pairs map[string]string
	if json.Unmarshal([]byte(text), &pairs) != nil || len(pairs) > 200 {
		return nil, &SettingError{name, "has to be pairs of texts, such as {name: value}"}
	}
	return pairs, nil
}

// list reads a setting of words, separated by commas.
func (o Options) list(name string) []string {
	var words []string
	for word := range strings.SplitSeq(o.Value(name), ",") {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	return words
}

// lookup reads a setting that says where a value stands.
func (o Options) lookup(name string) (lookup, error) {
	l, err := parseLookup(o.Value(name))
	if err != nil {
		return lookup{}, &SettingError{name, err.Error()}
	}
	return l, nil
}

// statuses reads a list of HTTP statuses of success.
func (o Options) statuses(name string) ([]int, error) {
	var all []int
	for _, word := range o.list(name) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 200 || n > 299 {
			return nil, &SettingError{name, fmt.Sprintf("has to be a list of statuses from 200 to 299; %q is none", printable(word))}
		}
		all = append(all, n)
	}
	return all, nil
}
