package dialect

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/countersign/countersign/internal/core"
)

// Info is the head of an OpenAPI document.
type Info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description,omitempty"`

	Bearer string `json:"-"` // what the bearer token is; "" is an access token
}

// BearerAPIKey says that the bearer token of a document is an API key.
const BearerAPIKey = "An API key, as `countersign apikey create` makes it (RFC 6750)"

// document and what follows are the parts of OpenAPI 3.1 that we use.
type document struct {
	OpenAPI    string                           `json:"openapi"`
	Info       Info                             `json:"info"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components components                       `json:"components"`
}

type components struct {
	Schemas         map[string]*jsonschema.Schema `json:"schemas"`
	SecuritySchemes map[string]securityScheme     `json:"securitySchemes"`
}

type securityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
}

type operation struct {
	OperationID string                `json:"operationId"`
	Tags        []string              `json:"tags"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Parameters  []parameter           `json:"parameters,omitempty"`
	RequestBody *requestBody          `json:"requestBody,omitzero"`
	Responses   map[string]response   `json:"responses"`
	Security    []map[string][]string `json:"security"`
}

type parameter struct {
	Name        string             `json:"name"`
	In          string             `json:"in"`
	Required    bool               `json:"required,omitzero"`
	Description string             `json:"description,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
}

type requestBody struct {
	Required bool             `json:"required"`
	Content  map[string]media `json:"content"`
}

type response struct {
	Description string            `json:"description"`
	Headers     map[string]header `json:"headers,omitempty"`
	Content     map[string]media  `json:"content,omitempty"`
}

type header struct {
	Description string             `json:"description"`
	Schema      *jsonschema.Schema `json:"schema"`
}

type media struct {
	Schema *jsonschema.Schema `json:"schema"`
}

// OpenAPI writes the document (OpenAPI 3.1) of a list of routes.
func OpenAPI(info Info, types TypeSchemas, routes []Route) ([]byte, error) {
	schemas, err := newSchemas(types, routes)
	if err != nil {
		return nil, err
	}
	if info.Bearer == "" {
		info.Bearer = "An access token (RFC 6750)"
	}
	doc := document{
		OpenAPI: "3.1.0", Info: info, Paths: map[string]map[string]*operation{},
		Components: components{
			Schemas: schemas.named,
			SecuritySchemes: map[string]securityScheme{
				"bearer": {Type: "http", Scheme: "bearer", Description: info.Bearer},
			},
		},
	}
	for _, route := range routes {
		methods := doc.Paths[route.Path]
		if methods == nil {
			methods = map[string]*operation{}
			doc.Paths[route.Path] = methods
		}
		if methods[strings.ToLower(route.Method)], err = schemas.operation(route); err != nil {
			return nil, fmt.Errorf("describing %s %s: %w", route.Method, route.Path, err)
		}
	}
	return json.Marshal(doc, json.Deterministic(true), jsontext.WithIndent("  "))
}

func (s *schemas) operation(route Route) (*operation, error) {
	op := &operation{
		OperationID: route.Name, Tags: []string{route.Tag}, Summary: route.Summary, Description: route.Description,
		Parameters: parameters(route), Responses: map[string]response{}, Security: security(route.Auth),
	}
	if route.Body != nil {
		schema, err := s.request(route.Body)
		if err != nil {
			return nil, err
		}
		op.RequestBody = &requestBody{
			Required: !route.BodyOptional,
			Content:  map[string]media{orJSON(route.BodyType): {schema}},
		}
	}
	for _, answer := range route.Answers {
		told := response{Description: answer.Description, Headers: map[string]header{"X-Request-Id": requestIDHeader()}}
		if told.Description == "" {
			told.Description = http.StatusText(answer.Status)
		}
		if answer.Body != nil {
			told.Content = map[string]media{orJSON(answer.MediaType): {answerSchema(answer)}}
		}
		op.Responses[strconv.Itoa(answer.Status)] = told
	}
	for status, codes := range refusals(route) {
		op.Responses[strconv.Itoa(status)] = problemResponse(status, codes)
	}
	return op, nil
}

func orJSON(mediaType string) string {
	if mediaType == "" {
		return "application/json"
	}
	return mediaType
}

func parameters(route Route) []parameter {
	var list []parameter
	if strings.Contains(route.Path, "{id}") {
		list = append(list, parameter{Name: "id", In: "path", Required: true, Schema: &jsonschema.Schema{Type: "string", Format: "uuid"}})
	}
	for _, p := range route.Query {
		kind := "string"
		if p.Integer {
			kind = "integer"
		}
		list = append(list, parameter{Name: p.Name, In: "query", Description: p.Description, Schema: &jsonschema.Schema{Type: kind}})
	}
	if route.Idempotent {
		list = append(list, parameter{
			Name: "Idempotency-Key", In: "header",
			Description: "The same key and body within ten minutes get the same answer without doing it twice.",
			Schema:      &jsonschema.Schema{Type: "string", Pattern: "^[!-~]{1,128}$"},
		})
	}
	return list
}

func security(auth Auth) []map[string][]string {
	switch auth {
	case AuthRequired:
		return []map[string][]string{{"bearer": {}}}
	case AuthOptional:
		return []map[string][]string{{}, {"bearer": {}}}
	default:
		return []map[string][]string{}
	}
}

// refusals gives what a route may refuse, by status: what its shape implies
// and what it names itself. Routes with answers of their own to errors (OAuth)
// name those among their answers and refuse nothing here.
func refusals(route Route) map[int][]core.Code {
	codes := slices.Clone(route.Refuses)
	if len(codes) > 0 {
		codes = append(codes, CodeInvalidRequest, core.CodeUnavailable, CodeInternal)
	}
	if route.Auth != AuthNone {
		codes = append(codes, core.CodeInvalidToken)
	}
	if route.Body != nil && len(codes) > 0 {
		codes = append(codes, CodeMalformedRequest, CodeContentTooLarge, CodeUnsupportedMediaType)
	}
	if route.Idempotent {
		codes = append(codes, core.CodeIdempotencyConflict)
	}
	slices.Sort(codes)
	byStatus := map[int][]core.Code{}
	for _, code := range slices.Compact(codes) {
		status := StatusOf(code)
		byStatus[status] = append(byStatus[status], code)
	}
	return byStatus
}

func problemResponse(status int, codes []core.Code) response {
	words := make([]string, len(codes))
	for i, code := range codes {
		words[i] = "`" + string(code) + "`"
	}
	told := response{
		Description: strings.Join(words, ", "),
		Headers:     map[string]header{"X-Request-Id": requestIDHeader()},
		Content:     map[string]media{"application/problem+json": {refTo("Problem")}},
	}
	switch status {
	case http.StatusUnauthorized:
		told.Headers["WWW-Authenticate"] = header{"As RFC 6750 says.", &jsonschema.Schema{Type: "string"}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		told.Headers["Retry-After"] = header{"Whole seconds to wait.", &jsonschema.Schema{Type: "integer"}}
	}
	return told
}

func requestIDHeader() header {
	return header{"Names this request in the security log.", &jsonschema.Schema{Type: "string", Format: "uuid"}}
}
