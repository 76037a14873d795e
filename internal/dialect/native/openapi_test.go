package native_test

import (
	"bytes"
	stdjson "encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
	"github.com/countersign/countersign/internal/dialect/oauth"
)

var update = flag.Bool("update", false, "write the golden files anew")

func routes() []dialect.Route {
	return append(native.Routes(nil), oauth.Routes(nil, "https://id.example.com")...)
}

func openAPI(t testing.TB) []byte {
	t.Helper()
	types, err := native.Types()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := dialect.OpenAPI(dialect.Info{Title: "Countersign", Version: "0.0.0"}, types, routes())
	if err != nil {
		t.Fatal(err)
	}
	return append(doc, '\n')
}

func TestGoldenOpenAPI(t *testing.T) {
	const path = "testdata/openapi.golden.json"
	got := openAPI(t)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date; go test -update writes it anew", path)
	}
	if again := openAPI(t); !bytes.Equal(got, again) {
		t.Error("the document differs from one making to the next")
	}
}

// document is what tests look at of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		OperationID string   `json:"operationId"`
		Tags        []string `json:"tags"`
		Summary     string   `json:"summary"`
		RequestBody struct {
			Content map[string]struct {
				Schema stdjson.RawMessage `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Responses map[string]struct {
			Description string `json:"description"`
			Content     map[string]struct {
				Schema stdjson.RawMessage `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
		Security []map[string][]string `json:"security"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]stdjson.RawMessage `json:"schemas"`
	} `json:"components"`
}

func parsed(t testing.TB) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPI(t), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEveryRouteIsInTheDocument(t *testing.T) {
	doc := parsed(t)
	names := map[string]bool{}
	for _, route := range routes() {
		op, ok := doc.Paths[route.Path][strings.ToLower(route.Method)]
		if !ok {
			t.Errorf("%s %s is not told", route.Method, route.Path)
			continue
		}
		if op.OperationID == "" || names[op.OperationID] || op.Summary == "" || len(op.Tags) != 1 {
			t.Errorf("%s %s is badly told: %+v", route.Method, route.Path, op)
		}
		names[op.OperationID] = true
		if (route.Body != nil) != (len(op.RequestBody.Content) == 1) {
			t.Errorf("%s %s: its body is told wrongly", route.Method, route.Path)
		}
		if (route.Auth == dialect.AuthRequired) != (len(op.Security) == 1) {
			t.Errorf("%s %s: its security is told wrongly: %v", route.Method, route.Path, op.Security)
		}
	}
}

// API.md's list of calls, written down again.
func TestEveryCallOfTheContractIsServed(t *testing.T) {
	doc := parsed(t)
	for _, call := range []string{
		"post /v1/signup", "post /v1/login/sms", "post /v1/login/password", "post /v1/password/reset",
		"post /v1/challenges/{id}/verify", "post /v1/challenges/{id}/resend", "post /v1/token/refresh", "post /v1/logout",
		"get /v1/sessions", "delete /v1/sessions/{id}", "get /v1/me", "patch /v1/me", "delete /v1/me",
		"post /v1/me/password", "post /v1/me/phone-number", "post /v1/me/reauthenticate", "get /v1/me/events",
		"get /.well-known/jwks.json", "get /.well-known/oauth-authorization-server", "post /oauth/revoke",
	} {
		method, path, _ := strings.Cut(call, " ")
		if _, ok := doc.Paths[path][method]; !ok {
			t.Errorf("%s is missing", call)
		}
	}
}

// checker validates real requests and answers against the document.
type checker struct {
	doc      document
	defs     string
	resolved map[string]*jsonschema.Resolved // by what is validated
}

func newChecker(t testing.TB) *checker {
	t.Helper()
	doc := parsed(t)
	closed := map[string]any{}
	for name, schema := range doc.Components.Schemas {
		var members map[string]any
		if err := json.Unmarshal(schema, &members); err != nil {
			t.Fatal(err)
		}
		members["additionalProperties"] = false // clients bear new members; these tests want them told
		closed[name] = members
	}
	defs, err := json.Marshal(closed)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{doc: doc, defs: string(defs), resolved: map[string]*jsonschema.Resolved{}}
}

// answer checks that an answer is one that the document tells of.
func (c *checker) answer(t *testing.T, method, path, status, mediaType string, body []byte) {
	t.Helper()
	told, ok := c.doc.Paths[path][strings.ToLower(method)].Responses[status]
	if !ok {
		t.Errorf("%s %s answered %s, which the document does not know", method, path, status)
		return
	}
	if len(body) == 0 && len(told.Content) == 0 {
		return
	}
	content, ok := told.Content[mediaType]
	if !ok {
		t.Errorf("%s %s answered %s as %q, which the document does not know", method, path, status, mediaType)
		return
	}
	c.validate(t, method+" "+path+" "+status, content.Schema, body)
}

func (c *checker) validate(t *testing.T, what string, schema stdjson.RawMessage, body []byte) {
	t.Helper()
	if c.resolved[what] == nil {
		whole := strings.ReplaceAll(`{"$defs":`+c.defs+`,"allOf":[`+string(schema)+`]}`, "#/components/schemas/", "#/$defs/")
		var root jsonschema.Schema
		if err := stdjson.Unmarshal([]byte(whole), &root); err != nil {
			t.Fatal(err)
		}
		resolved, err := root.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.resolved[what] = resolved
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Errorf("%s: not JSON: %s", what, body)
		return
	}
	if err := c.resolved[what].Validate(value); err != nil {
		t.Errorf("%s does not fit its schema: %v\n%s", what, err, body)
	}
}
