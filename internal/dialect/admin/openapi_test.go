package admin_test

import (
	"bytes"
	stdjson "encoding/json"
	"flag"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/admin"
)

var update = flag.Bool("update", false, "write the golden files anew")

func openAPI(t testing.TB) []byte {
	t.Helper()
	doc, err := dialect.OpenAPI(dialect.Info{Title: "Countersign", Version: "0.0.0", Bearer: dialect.BearerAPIKey}, nil, admin.Routes(nil))
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
}

// Every route says which scope it needs, and what its key may meet.
func TestC82TheDocumentTellsTheScope(t *testing.T) {
	doc := newChecker(t).doc
	for _, route := range admin.Routes(nil) {
		op := doc.Paths[route.Path][strings.ToLower(route.Method)]
		needed := scopes[route.Method+" "+route.Path]
		if !strings.Contains(op.Description, "`"+string(needed)+"`") || len(op.Security) != 1 || route.Auth != dialect.AuthRequired {
			t.Errorf("%s: %q, %v", route.Path, op.Description, op.Security)
		}
		for _, code := range []core.Code{core.CodeInvalidToken, core.CodeInsufficientScope} {
			if told := op.Responses[strconv.Itoa(dialect.StatusOf(code))]; !strings.Contains(told.Description, string(code)) {
				t.Errorf("%s does not tell of %s", route.Path, code)
			}
		}
	}
}

// checker validates real answers against the document.
type checker struct {
	doc struct {
		Paths map[string]map[string]struct {
			Description string                `json:"description"`
			Security    []map[string][]string `json:"security"`
			Responses   map[string]struct {
				Description string `json:"description"`
				Content     map[string]struct {
					Schema stdjson.RawMessage `json:"schema"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]map[string]any `json:"schemas"`
		} `json:"components"`
	}
	defs string
}

func newChecker(t testing.TB) *checker {
	t.Helper()
	c := &checker{}
	if err := json.Unmarshal(openAPI(t), &c.doc); err != nil {
		t.Fatal(err)
	}
	for _, schema := range c.doc.Components.Schemas {
		schema["additionalProperties"] = false // clients bear new members; these tests want them told
	}
	defs, err := json.Marshal(c.doc.Components.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	c.defs = string(defs)
	return c
}

// answer checks that an answer is one that the document tells of.
func (c *checker) answer(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	content, ok := c.doc.Paths[path][strings.ToLower(method)].Responses[strconv.Itoa(w.Code)].Content[w.Header().Get("Content-Type")]
	if !ok {
		t.Fatalf("%s %s answered %d as %q, which the document does not know", method, path, w.Code, w.Header().Get("Content-Type"))
	}
	whole := strings.ReplaceAll(`{"$defs":`+c.defs+`,"allOf":[`+string(content.Schema)+`]}`, "#/components/schemas/", "#/$defs/")
	var root jsonschema.Schema
	if err := stdjson.Unmarshal([]byte(whole), &root); err != nil {
		t.Fatal(err)
	}
	resolved, err := root.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(w.Body.Bytes(), &value); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(value); err != nil {
		t.Errorf("%s %s does not fit its schema: %v\n%s", method, path, err, w.Body)
	}
}
