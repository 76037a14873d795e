package dialect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Auth says whether a route asks for a bearer token.
type Auth int

// AuthNone looks at no token; AuthOptional takes a good one and goes on without
// any other; AuthRequired needs a good one.
const (
	AuthNone Auth = iota
	AuthOptional
	AuthRequired
)

// Route is one call of a dialect: what serves it and what the OpenAPI document
// says of it.
type Route struct {
	Method      string
	Path        string // literal, or with one "{id}" as a whole segment
	Name        string // operationId
	Tag         string // the heading it stands under
	Summary     string
	Description string

	Auth         Auth
	Query        []Param
	Body         reflect.Type // what it takes; nil: no body
	BodyType     string       // media type of the body; "" is application/json
	BodyOptional bool         // an absent body is {}
	Idempotent   bool         // takes Idempotency-Key
	Answers      []Answer
	Refuses      []core.Code // beside what its shape already implies

	Serve http.HandlerFunc
}

// Param is a query parameter.
type Param struct {
	Name, Description string
	Integer           bool
}

// Answer is one success of a route, for the document.
type Answer struct {
	Status      int
	Body        any    // a zero value of what it answers; nil: no content
	Or          any    // what it answers instead, in some cases
	MediaType   string // "" is application/json
	Description string
}

// Call is one request as a route's function gets it.
type Call[In any] struct {
	Caller      core.Caller
	ID          string // the path's {id}; whatever cannot be an id reads as NobodysID
	Query       url.Values
	In          In
	Idempotency core.Idempotency
}

// Reply is what a route's function answers.
type Reply struct {
	Status int
	Body   any // nil: no content
}

// NoBody is the In of a route that takes no body. A body sent to it is ignored.
type NoBody struct{}

// NobodysID stands for every ill-formed id: well-formed, and the id of
// nothing, so that ill-formed and unknown ids cannot be told apart (C-64).
const NobodysID = "00000000-0000-7000-8000-000000000000"

// JSON makes a route that reads In as JSON, calls f, and writes its reply.
// The order in which it judges: query, token, body, headers, f.
func JSON[In any](route Route, door Door, f func(context.Context, Call[In]) (Reply, error)) Route {
	var members []requiredMember
	if t := reflect.TypeFor[In](); t != reflect.TypeFor[NoBody]() {
		route.Body, members = t, required(t)
	}
	route.Serve = func(w http.ResponseWriter, r *http.Request) {
		call, err := decode[In](w, r, &route, door, members)
		if err != nil {
			Fail(w, r, err)
			return
		}
		reply, err := f(r.Context(), call)
		if err != nil {
			Fail(w, r, locate(route.Query, err))
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if reply.Body == nil {
			w.WriteHeader(reply.Status)
			return
		}
		WriteJSON(w, reply.Status, "application/json", reply.Body)
	}
	return route
}

func decode[In any](w http.ResponseWriter, r *http.Request, route *Route, door Door, members []requiredMember) (Call[In], error) {
	var call Call[In]
	var err error
	if call.Query, err = readQuery(r); err != nil {
		return call, err
	}
	if call.Caller, err = admit(r, route.Auth, door); err != nil {
		return call, err
	}
	if route.Body != nil {
		if call.Idempotency.Body, err = ReadBody(w, r, "application/json"); err != nil {
			return call, err
		}
		if err = decodeInto(call.Idempotency.Body, &call.In, route.BodyOptional, members); err != nil {
			return call, err
		}
	} else if r.ContentLength > MaxBody {
		return call, tooLarge(w)
	}
	if route.Idempotent {
		if call.Idempotency.Key, err = idempotencyKey(r); err != nil {
			return call, err
		}
	}
	if call.ID = r.PathValue("id"); !keyring.ValidID(call.ID) {
		call.ID = NobodysID
	}
	return call, nil
}

func decodeInto(body []byte, in any, optional bool, members []requiredMember) error {
	if len(body) == 0 {
		if optional {
			return nil
		}
		return refuse(CodeMalformedRequest)
	}
	if err := decodeJSON(body, in); err != nil {
		return err
	}
	return checkRequired(reflect.ValueOf(in).Elem(), members)
}

// secretNames may not stand in a URL, where logs and histories keep them (C-28).
var secretNames = []string{"access_token", "refresh_token", "token", "code"}

// readQuery reads the query and refuses secrets in it. Unknown names are ignored.
func readQuery(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(CodeInvalidRequest, Located{"query", "cannot be read"})
	}
	if name := secretIn(query); name != "" {
		return nil, refuse(CodeInvalidRequest, Located{"query." + name, "must not be sent in a URL"})
	}
	return query, nil
}

func secretIn(query url.Values) string {
	for _, name := range secretNames {
		if query.Has(name) {
			return name
		}
	}
	return ""
}

// HasSecret tells whether a request carries a secret in its URL (C-28), or a
// query that cannot be read and might, for dialects that refuse it in words of
// their own.
func HasSecret(r *http.Request) bool {
	_, err := readQuery(r)
	return err != nil
}

// locate names fields of the core that came in by the query.
func locate(params []Param, err error) error {
	var known *core.Error
	if len(params) == 0 || !errors.As(err, &known) || known.Code != core.CodeInvalidRequest {
		return err
	}
	refusal := &Refusal{Code: known.Code}
	for _, f := range known.Fields {
		where := "body." + f.Name
		for _, p := range params {
			if p.Name == f.Name {
				where = "query." + f.Name
			}
		}
		refusal.Errors = append(refusal.Errors, Located{where, f.Message})
	}
	return refusal
}
