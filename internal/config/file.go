package config

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile is the largest settings file that is read, in bytes.
const maxFile = 1 << 20

// readFile takes the settings of a YAML file: one mapping of names to plain
// values, lists of them, or (test_numbers) pairs of them. Values are read as
// written, so that NO stays Norway and a leading zero stays.
func (l *loader) readFile(path string) error {
	text, err := readAtMost(path, maxFile)
	if err != nil {
		return fmt.Errorf("the settings file: %w", err)
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		// The parser's own report quotes the lines around the mistake, and
		// these may hold secrets.
		return fmt.Errorf("the settings file %s is not YAML: %s", path, withoutSource(err))
	}
	if len(file.Docs) == 0 || len(file.Docs) == 1 && file.Docs[0].Body == nil {
		return nil
	}
	values, ok := pairsOf(file.Docs[0].Body)
	if !ok || len(file.Docs) > 1 {
		return fmt.Errorf("the settings file %s must be one mapping of names to values, as `countersign config reference` shows it", path)
	}
	for _, pair := range values {
		l.takePair(path, pair)
	}
	return nil
}

func (l *loader) takePair(path string, pair *ast.MappingValueNode) {
	source := "file " + path
	if token := pair.Key.GetToken(); token != nil && token.Position != nil {
		source = fmt.Sprintf("file %s line %d", path, token.Position.Line)
	}
	name, ok := scalar(pair.Key)
	if !ok {
		l.refuse(&Refusal{Setting: "(a name)", Source: source, Problem: "must be a plain word"})
		return
	}
	if name == providersName {
		if _, empty := pair.Value.(*ast.NullNode); !empty {
			l.given[name] = given{source: source, node: pair.Value, file: path}
		}
		return
	}
	text, ok := flatten(pair.Value)
	if !ok {
		l.refuse(&Refusal{Setting: name, Source: source, Problem: "must be a plain value, a list of them, or pairs of them; anchors, tags and deeper nesting are not read"})
		return
	}
	if l.known(name, name, text, source) {
		l.take(name, text, source)
	}
}

// flatten writes a value as the environment would have it: lists joined by
// commas, pairs as key=value.
func flatten(node ast.Node) (string, bool) {
	if text, ok := scalar(node); ok {
		return text, true
	}
	if sequence, ok := node.(*ast.SequenceNode); ok {
		items := make([]string, len(sequence.Values))
		for i, value := range sequence.Values {
			if items[i], ok = scalar(value); !ok {
				return "", false
			}
		}
		return strings.Join(items, ","), true
	}
	pairs, ok := pairsOf(node)
	if !ok {
		return "", false
	}
	items := make([]string, len(pairs))
	for i, pair := range pairs {
		key, keyOK := scalar(pair.Key)
		value, valueOK := scalar(pair.Value)
		if !keyOK || !valueOK {
			return "", false
		}
		items[i] = key + "=" + value
	}
	return strings.Join(items, ","), true
}

// scalar gives a plain value's text as it stands in the file, unquoted.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.NullNode:
		return "", true
	case *ast.LiteralNode:
		if n.Value == nil {
			return "", true
		}
		return n.Value.Value, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func pairsOf(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode: // a mapping of one pair
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// withoutSource gives a YAML error's place and message alone.
func withoutSource(err error) string {
	first, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	return first
}

func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return text, nil
}
