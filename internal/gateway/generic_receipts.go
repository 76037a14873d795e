package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// genericReceipts says what a described provider's receipts mean, and what proves
// them to be its own.
type genericReceipts struct {
	format               string // query, form or json
	list                 []string
	id, ref, state, code []string // JSON paths; of a query or form one name each
	states               map[string]State
	auth                 string // token, hmac or basic
	secrets              []string
	header               string
	digest               func() hash.Hash
	decode               func(string) ([]byte, error)
}

func genericReceiptSettings() []Setting {
	return []Setting{
		{Name: "receipt_state_at", Doc: "where a receipt has its state: the name of a field, or of JSON a path such as status.name. Without it there are no receipts"},
		{Name: "receipt_states", Doc: "pairs of the provider's words and ours: accepted, sent, delivered, undelivered, failed, expired, unknown. Any other word is unknown"},
		{Name: "receipt_format", Doc: "where receipts have their fields: query, form (the default) or json"},
		{Name: "receipt_list_at", Doc: "the path of a list of receipts, in JSON; [] where the whole body is one"},
		{Name: "receipt_id_at", Doc: "where our own id stands, if the provider repeats it. {{callback_url}} has it too"},
		{Name: "receipt_ref_at", Doc: "where the provider's name for the message stands"},
		{Name: "receipt_code_at", Doc: "where the reason of a failure stands: a code of retry_codes, final_codes, …"},
		{Name: "receipt_auth", Doc: "what proves a receipt: token (the default: receipt_token, part of {{callback_url}}), hmac (receipt_signature under receipt_secret) or basic (receipt_secret)"},
		{Name: "receipt_signature", Doc: "the signature over the body: sha256 or sha1, hex or base64, and the header's name, such as sha256 hex X-Signature"},
		{Name: "receipt_secret", Doc: "of hmac the key, of basic user:password. Two, separated by a space, while the one follows the other", Secret: true},
		{Name: "receipt_token", Doc: "32 characters or more, by chance, of which the URL t=… has to tell", Secret: true},
		{Name: "receipt_token_previous", Doc: "the token before, taken as well while messages sent under it are on their way", Secret: true},
	}
}

func (g *generic) readReceipts(o Options) error {
	if o.Value("receipt_state_at") == "" {
		for _, s := range genericReceiptSettings() {
			if o.Value(s.Name) != "" {
				return &SettingError{s.Name, "needs receipt_state_at: without it there are no receipts"}
			}
		}
		return nil
	}
	r := &genericReceipts{format: "form", auth: "token"}
	for _, read := range []func(Options) error{r.readFields, r.readStates, r.readAuth} {
		if err := read(o); err != nil {
			return err
		}
	}
	g.receipts = r
	return nil
}

func (r *genericReceipts) readFields(o Options) (err error) {
	if format := o.Value("receipt_format"); format != "" {
		r.format = format
	}
	if !slices.Contains([]string{"query", "form", "json"}, r.format) {
		return &SettingError{"receipt_format", "is query, form or json"}
	}
	for name, path := range map[string]*[]string{
		"receipt_id_at": &r.id, "receipt_ref_at": &r.ref, "receipt_state_at": &r.state, "receipt_code_at": &r.code, "receipt_list_at": &r.list,
	} {
		text := o.Value(name)
		switch {
		case text == "":
		case r.format == "json" && name == "receipt_list_at" && text == "[]":
			*path = []string{}
		case r.format == "json":
			if *path, err = parsePath(text); err != nil {
				return &SettingError{name, err.Error()}
			}
		case name == "receipt_list_at":
			return &SettingError{name, "needs receipt_format json"}
		default:
			*path = []string{text}
		}
	}
	if r.list != nil && r.id == nil && r.ref == nil {
		return &SettingError{"receipt_list_at", "needs receipt_id_at or receipt_ref_at: the URL tells of one message"}
	}
	return nil
}

func (r *genericReceipts) readStates(o Options) error {
	pairs, err := o.pairs("receipt_states")
	if err != nil {
		return err
	}
	r.states = map[string]State{}
	for _, word := range slices.Sorted(maps.Keys(pairs)) {
		if !slices.Contains(states(), State(pairs[word])) {
			return &SettingError{"receipt_states", "has a state that is none; there are accepted, sent, delivered, undelivered, failed, expired, unknown"}
		}
		r.states[strings.ToLower(word)] = State(pairs[word])
	}
	if len(r.states) == 0 {
		return &SettingError{"receipt_states", "has to be set where receipt_state_at is"}
	}
	return nil
}

func (r *genericReceipts) readAuth(o Options) error {
	if auth := o.Value("receipt_auth"); auth != "" {
		r.auth = auth
	}
	r.secrets = strings.Fields(o.Value("receipt_secret"))
	switch {
	case r.auth == "token":
		if o.Value("receipt_token") == "" {
			return &SettingError{"receipt_token", "has to be set: nothing else proves receipts to be the provider's; receipt_auth may name another way"}
		}
		return o.checkTokens()
	case r.auth != "hmac" && r.auth != "basic":
		return &SettingError{"receipt_auth", "is token, hmac or basic"}
	case len(r.secrets) == 0 || len(r.secrets) > 2:
		return &SettingError{"receipt_secret", "has to hold one or two secrets for receipt_auth " + r.auth}
	case slices.ContainsFunc(r.secrets, func(s string) bool { return len(s) < 16 }):
		return &SettingError{"receipt_secret", "has to have 16 characters or more"}
	case r.auth == "basic" && slices.ContainsFunc(r.secrets, func(s string) bool { return !strings.Contains(s, ":") }):
		return &SettingError{"receipt_secret", "has to be user:password for receipt_auth basic"}
	case r.auth == "basic":
		return nil
	case r.format == "query":
		return &SettingError{"receipt_auth", "hmac signs the body, and receipts in a query have none"}
	case r.id == nil && r.ref == nil:
		return &SettingError{"receipt_auth", "hmac needs receipt_id_at or receipt_ref_at: it does not sign the URL"}
	}
	return r.readSignature(o.Value("receipt_signature"))
}

func (r *genericReceipts) readSignature(text string) error {
	wrong := &SettingError{"receipt_signature", "has to be sha256 or sha1, hex or base64, and the name of a header: sha256 hex X-Signature"}
	words := strings.Fields(text)
	if len(words) != 3 || !headerName(words[2]) {
		return wrong
	}
	r.digest = map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New}[words[0]]
	r.decode = map[string]func(string) ([]byte, error){"hex": hex.DecodeString, "base64": base64.StdEncoding.DecodeString}[words[1]]
	r.header = words[2]
	if r.digest == nil || r.decode == nil {
		return wrong
	}
	return nil
}

// Receipts reads what the settings describe.
func (g *generic) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	r := g.receipts
	if r == nil {
		return nil, ErrNoReceipts
	}
	if !g.proven(c) {
		return nil, ErrForged
	}
	sources, err := r.read(c)
	if err != nil {
		return nil, err
	}
	var receipts []Receipt
	for _, find := range sources {
		receipt := Receipt{MessageID: ourID(find(r.id)), ProviderRef: ourID(find(r.ref)), Code: find(r.code)}
		if r.id == nil && r.list == nil && r.auth != "hmac" {
			receipt.MessageID = ourID(queryOf(c).Get("m"))
		}
		word := find(r.state)
		if word == "" || receipt.MessageID == "" && receipt.ProviderRef == "" {
			return nil, errReceipt
		}
		receipt.State = stateOf(r.states, strings.ToLower(word))
		receipt.Class = classOfReceipt(receipt.State, g.answers.table, receipt.Code)
		receipt.Code = cleanCode(receipt.Code)
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

// proven tells whether a callback is the provider's.
func (g *generic) proven(c Callback) bool {
	r := g.receipts
	if r.auth == "token" {
		return g.options.knowsToken(c)
	}
	got := c.Header.Get("Authorization")
	if r.auth == "hmac" {
		got = strings.TrimPrefix(strings.TrimPrefix(c.Header.Get(r.header), "sha256="), "sha1=")
	}
	known := 0
	for _, secret := range r.secrets {
		if r.auth == "basic" {
			known |= same(got, "Basic "+base64.StdEncoding.EncodeToString([]byte(secret)))
			continue
		}
		mac := hmac.New(r.digest, []byte(secret))
		mac.Write(c.Body)
		if raw, err := r.decode(got); err == nil && hmac.Equal(raw, mac.Sum(nil)) {
			known = 1
		}
	}
	return known == 1
}

// same compares two secrets in a time that tells nothing, their lengths neither.
func same(a, b string) int {
	one, two := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(one[:], two[:])
}

// read gives a finder of fields for each receipt in a callback.
func (r *genericReceipts) read(c Callback) ([]func([]string) string, error) {
	if r.format == "json" {
		return r.readJSON(c.Body)
	}
	values := queryOf(c)
	if r.format == "form" {
		var err error
		if values, err = url.ParseQuery(string(c.Body)); err != nil || c.Method != http.MethodPost {
			return nil, errReceipt
		}
	}
	return []func([]string) string{func(path []string) string {
		if path == nil {
			return ""
		}
		return values.Get(path[0])
	}}, nil
}

func (r *genericReceipts) readJSON(body []byte) ([]func([]string) string, error) {
	tree, ok := jsonTree(body)
	if !ok {
		return nil, errReceipt
	}
	all := []any{tree}
	if r.list != nil {
		if all, ok = nodeAt(tree, r.list).([]any); !ok || len(all) > mostReceipts {
			return nil, errReceipt
		}
	}
	var finders []func([]string) string
	for _, one := range all {
		finders = append(finders, func(path []string) string {
			if path == nil {
				return ""
			}
			text, _ := scalarAt(one, path)
			return text
		})
	}
	return finders, nil
}
