package store

import (
	"strings"
	"unicode/utf8"
)

// Kind is what a column holds.
type Kind byte

// The kinds, and how a Row holds each. What is absent is nil.
const (
	Text     Kind = 't' // string, as Storable gives it
	Integer  Kind = 'i' // int64
	Bytes    Kind = 'x' // []byte
	Boolean  Kind = 'b' // bool
	Integers Kind = 'l' // []int64
)

// Column is a column of a Table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table with the columns that are moved.
type Table struct {
	Name    string
	Columns []Column
}

// Names gives the names of the columns.
func (t Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// Row is a row of a Table, a value for each column.
type Row []any

// Tables are all that is moved, each behind those that it refers to. Names and
// columns are those of the engine for many instances; what another engine keeps
// in another way, it brings into this shape. Keys come first: they tell whose the
// rest is.
func Tables() []Table {
	return []Table{
		table("keys", "t id", "t slot", "x sealed", "i created_at"),
		table("users", "t id", "x phone_sealed", "t phone_masked", "i phone_verified_at", "t name", "t email", "t locale",
			"t password_hash", "i generation", "i disabled_at", "i created_at", "i updated_at"),
		table("phones", "t phone_key", "t user_id"),
		table("password_history", "t user_id", "i generation", "t hash"),
		table("devices", "t id", "t user_id", "t label_id", "t label_name", "t label_platform", "i created_at", "i last_seen_at",
			"i proved_at"),
		table("sessions", "t id", "t user_id", "i counter", "x secret_hash", "x secret_sealed", "t token_key_id", "i rotated_at",
			"i created_at", "i auth_time", "i last_seen_at", "i idle_expires_at", "i expires_at", "i ended_at", "t end_reason",
			"t device_id", "t label_id", "t label_name", "t label_platform", "t ip_address", "t network", "t user_agent",
			"t methods", "t dialect", "t reissue", "t thumbprint", "b moved"),
		table("challenges", "t id", "t purpose", "t channel", "t phone_key", "x phone_sealed", "t phone_masked", "b decoy",
			"t user_id", "i generation", "t session_id", "t device_id", "t label_id", "t label_name", "t label_platform",
			"t pending_name", "t pending_email", "t pending_locale", "t pending_password_hash", "x code_mac", "i code_length",
			"x sealed", "i guesses_left", "i resends", "i resend_at", "i created_at", "i expires_at", "i redeemed_at",
			"i voided_at", "x begin_key", "x begin_body", "x verify_key", "x verify_body", "t opened_session_id",
			"i opened_counter", "t dialect", "t thumbprint", "t country", "b account_created"),
		table("messages", "t id", "t challenge_id", "t user_id", "t purpose", "t channel", "t phone_key", "t phone_masked",
			"x sealed", "t sealed_for", "t state", "i tries", "t bucket", "t country", "i price", "i created_at", "i expires_at",
			"t request_id", "i due_at", "t holder", "i reserved", "i reserved_at", "i held", "t erased", "i settled_at",
			"t provider", "t provider_ref", "i written_at", "t prefix_key", "t attempts"),
		table("failures", "t phone_key", "t device_id", "t method", "i in_row", "i waits_until", "b waited", "i last_failed_at",
			"l recent"),
		table("events", "t id", "i position", "i written_at", "i nth", "t user_id", "t session_id", "t phone_masked",
			"t phone_pseudonym", "t name", "i time", "b addressed", "x payload"),
		table("valid_after", "i time"),
		table("turns", "t name", "i last"),
		table("sinks", "t name", "i settled", "i claimed", "t holder", "i lease_until"),
		table("watchers", "t name", "i settled", "i claimed", "t holder", "i lease_until"),
		table("heads", "t log", "t file", "i count", "t chain"),
		table("api_keys", "t id", "t name", "x hash", "t scopes", "i created_at", "i expires_at", "i revoked_at"),
		table("spending", "i span", "t country", "i starts_at", "i amount"),
		table("rollups", "i span", "i starts_at", "t name", "t method", "t outcome", "t reason", "t country", "t provider",
			"t instance", "i n"),
		table("rollup_spans", "i span", "i since"),
	}
}

// table makes a table of columns that are written as their kind and their name.
func table(name string, columns ...string) Table {
	t := Table{Name: name}
	for _, c := range columns {
		kind, column, _ := strings.Cut(c, " ")
		t.Columns = append(t.Columns, Column{Name: column, Kind: Kind(kind[0])})
	}
	return t
}

// Storable replaces what not every engine takes for text, invalid UTF-8 and NUL:
// strangers send what they like.
func Storable(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
