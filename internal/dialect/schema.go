package dialect

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// TypeSchemas gives Go types schemas of their own, where the kind of the type
// says too little.
type TypeSchemas map[reflect.Type]*jsonschema.Schema

// Enum is the schema of a string with listed values.
func Enum[T ~string](values ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// schemas makes the schemas of one document. Answers, and the structs within
// them, stand among the components under the names of their types.
type schemas struct {
	types TypeSchemas
	named map[string]*jsonschema.Schema
}

func newSchemas(types TypeSchemas, routes []Route) (*schemas, error) {
	s := &schemas{types: baseTypes(types), named: map[string]*jsonschema.Schema{}}
	answers := map[reflect.Type]bool{}
	collect(reflect.TypeFor[Problem](), answers)
	for _, route := range routes {
		for _, a := range route.Answers {
			for _, body := range []any{a.Body, a.Or} {
				if body != nil {
					collect(reflect.TypeOf(body), answers)
				}
			}
		}
	}
	own := maps.Clone(s.types)
	for t := range answers {
		s.types[t] = refTo(t.Name())
	}
	for t := range answers {
		if s.named[t.Name()] != nil {
			return nil, fmt.Errorf("two answer types are called %s", t.Name())
		}
		schema := own[t]
		if schema == nil {
			var err error
			if schema, err = s.whole(t); err != nil {
				return nil, fmt.Errorf("describing %s: %w", t, err)
			}
		}
		fixSlices(schema)
		schema.AdditionalProperties = nil // answers may grow; clients have to bear it
		s.named[t.Name()] = schema
	}
	return s, nil
}

func baseTypes(more TypeSchemas) TypeSchemas {
	types := TypeSchemas{
		reflect.TypeFor[time.Time]():      {Type: "string", Format: "date-time"},
		reflect.TypeFor[keyring.Secret](): {Type: "string"},
		reflect.TypeFor[jsontext.Value](): {Type: "object"},
		reflect.TypeFor[core.Code]():      Enum(slices.Sorted(maps.Keys(kinds))...),
	}
	maps.Copy(types, more)
	return types
}

// collect finds the structs of an answer type, itself included.
func collect(t reflect.Type, found map[reflect.Type]bool) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		collect(t.Elem(), found)
	case reflect.Struct:
		if found[t] || t == reflect.TypeFor[time.Time]() {
			return
		}
		found[t] = true
		for i := range t.NumField() {
			collect(t.Field(i).Type, found)
		}
	}
}

// whole describes a type itself, and all others by reference.
func (s *schemas) whole(t reflect.Type) (*jsonschema.Schema, error) {
	others := maps.Clone(s.types)
	delete(others, t)
	return jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: others})
}

// answerSchema refers to the type, or the types, of an answer.
func answerSchema(a Answer) *jsonschema.Schema {
	one := refTo(reflect.TypeOf(a.Body).Name())
	if a.Or == nil {
		return one
	}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{one, refTo(reflect.TypeOf(a.Or).Name())}}
}

// request describes what a route takes: a pointer there only says that a
// member may be absent, never that it may be null.
func (s *schemas) request(t reflect.Type) (*jsonschema.Schema, error) {
	schema, err := s.whole(t)
	if err != nil {
		return nil, err
	}
	fixSlices(schema)
	dropNull(schema)
	return schema, nil
}

func refTo(name string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/components/schemas/" + name}
}

// fixSlices says that lists are never null: the encoder writes an empty one.
func fixSlices(s *jsonschema.Schema) {
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Types, s.Type = nil, "array"
	}
	for _, p := range s.Properties {
		fixSlices(p)
	}
	if s.Items != nil {
		fixSlices(s.Items)
	}
}

func dropNull(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	for _, p := range s.Properties {
		dropNull(p)
	}
}
