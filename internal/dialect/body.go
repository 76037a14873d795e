package dialect

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/core"
)

// MaxBody is how many bytes of a body are read, counted as they arrive (C-66).
const MaxBody = 16 << 10

// ReadBody reads a body of the media type given, in UTF-8 and not encoded. An
// absent body is nil, whatever its type says. The errors are problems:
// unsupported_media_type, content_too_large, malformed_request.
func ReadBody(w http.ResponseWriter, r *http.Request, mediaType string) ([]byte, error) {
	body, err := ReadRaw(w, r, MaxBody)
	if err == nil && len(body) > 0 && !isType(r.Header["Content-Type"], mediaType) {
		return nil, refuse(CodeUnsupportedMediaType)
	}
	return body, err
}

// ReadRaw reads a body of any type, of at most so many bytes, that is not encoded;
// an absent one is nil. The errors are those of ReadBody.
func ReadRaw(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	if r.ContentLength > most {
		return nil, tooLarge(w)
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	if !plain(r.Header["Content-Encoding"]) {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, refuse(CodeUnsupportedMediaType)
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, most), r.ContentLength)
	var overlong *http.MaxBytesError
	switch {
	case errors.As(err, &overlong):
		return nil, tooLarge(w)
	case err != nil:
		return nil, refuse(CodeMalformedRequest)
	case len(body) == 0:
		return nil, nil
	}
	return body, nil
}

// tooLarge refuses a body, and the connection that has more of it.
func tooLarge(w http.ResponseWriter) error {
	w.Header().Set("Connection", "close")
	return refuse(CodeContentTooLarge)
}

// readAll reads to the end, into one piece where the size is known.
func readAll(r io.Reader, size int64) ([]byte, error) {
	if size < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, size)
	n, err := io.ReadFull(r, body)
	return body[:n], err
}

// plain tells whether a body is sent as it is.
func plain(encodings []string) bool {
	for _, e := range encodings {
		if e != "" && !strings.EqualFold(e, "identity") {
			return false
		}
	}
	return true
}

// isType tells whether there is one Content-Type, of the type wanted, in UTF-8.
func isType(values []string, want string) bool {
	if len(values) != 1 {
		return false
	}
	if values[0] == want {
		return true
	}
	got, params, err := mime.ParseMediaType(values[0])
	if err != nil || got != want {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}

// decodeJSON reads exactly one JSON object into a struct (RFC 8259, C-65):
// names are matched by exact case and may come once, nothing is coerced, null
// is nothing's value. in points to the struct.
func decodeJSON(body []byte, in any) error {
	err := json.Unmarshal(body, in, json.RejectUnknownMembers(true))
	if err != nil && !jsontext.Value(body).IsValid() {
		return refuse(CodeMalformedRequest)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return refuse(CodeInvalidRequest, Located{location(semantic.JSONPointer), complaint(semantic)})
	}
	if err != nil {
		return refuse(CodeMalformedRequest)
	}
	if where, found := findNull(body); found {
		return refuse(CodeInvalidRequest, Located{location(where), "must not be null"})
	}
	return nil
}

// findNull looks for a null at any depth. The decoder itself takes null for
// an absent member, which would coerce it.
func findNull(body []byte) (jsontext.Pointer, bool) {
	if !bytes.Contains(body, []byte("null")) {
		return "", false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.ReadToken()
		if err != nil {
			return "", false
		}
		if token.Kind() == 'n' {
			return dec.StackPointer(), true
		}
	}
}

// maxLocation bounds what a client's own member names put into an answer.
const maxLocation = 64

// location names a member as "body.device.name".
func location(p jsontext.Pointer) string {
	where := "body"
	for name := range p.Tokens() {
		where += "." + name
	}
	if len(where) > maxLocation {
		where = strings.ToValidUTF8(where[:maxLocation], "")
	}
	return where
}

// complaint says what is wrong with a member, never what its value was.
func complaint(e *json.SemanticError) string {
	if errors.Is(e, json.ErrUnknownName) {
		return "is not known here"
	}
	if e.GoType == nil {
		return "is not of the right type"
	}
	switch t := e.GoType; t.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Struct:
		return "must be an object"
	default:
		return "is not of the right type"
	}
}

// required lists the pointer members of a request type that have to be there:
// those whose tag has neither omitzero nor omitempty.
func required(t reflect.Type) []requiredMember {
	var members []requiredMember
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omit") {
			members = append(members, requiredMember{index: i, name: name})
		}
	}
	return members
}

type requiredMember struct {
	index int
	name  string
}

// checkRequired refuses a request in which required members are absent.
func checkRequired(in reflect.Value, members []requiredMember) error {
	var missing []Located
	for _, m := range members {
		if in.Field(m.index).IsNil() {
			missing = append(missing, Located{"body." + m.name, "is required"})
		}
	}
	if missing != nil {
		return refuse(CodeInvalidRequest, missing...)
	}
	return nil
}

// refuse makes an error of a dialect's own.
func refuse(code core.Code, errors ...Located) error {
	return &Refusal{Code: code, Errors: errors}
}
