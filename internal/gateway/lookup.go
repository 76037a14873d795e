package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// lookup finds a value in what a provider says: by a path into JSON, or by a
// regular expression with one group. The zero one finds nothing.
type lookup struct {
	path []string // names, and indices as [0]
	re   *regexp.Regexp
}

const longestLookup = 500

var pathStep = regexp.MustCompile(`^\.?([^.\[\]"]+)|^\[(0|[1-9][0-9]{0,3})\]`)

// parseLookup reads json:messages[0].status or re:^OK (\w+). Of "" it makes the zero
// lookup.
func parseLookup(text string) (lookup, error) {
	path, isPath := strings.CutPrefix(text, "json:")
	pattern, isPattern := strings.CutPrefix(text, "re:")
	switch {
	case text == "":
		return lookup{}, nil
	case len(text) > longestLookup:
		return lookup{}, errors.New("is too long")
	case isPath:
		steps, err := parsePath(path)
		return lookup{path: steps}, err
	case isPattern:
		re, err := regexp.Compile(pattern)
		if err != nil || re.NumSubexp() != 1 {
			return lookup{}, errors.New("has to be a regular expression (RE2) with one group, in ( ), that holds the value")
		}
		return lookup{re: re}, nil
	}
	return lookup{}, errors.New("has to begin with json: and a path, such as json:messages[0].status, or with re: and a regular expression, such as re:^OK (.+)$")
}

// parsePath reads names and indices: messages[0].status, or [0].id.
func parsePath(text string) ([]string, error) {
	var steps []string
	for text != "" {
		found := pathStep.FindString(text)
		if found == "" || found[0] == '.' && len(steps) == 0 || found[0] != '.' && found[0] != '[' && len(steps) > 0 {
			steps = nil
			break
		}
		steps = append(steps, strings.TrimPrefix(found, "."))
		text = text[len(found):]
	}
	if steps == nil {
		return nil, errors.New("has to be a path of names and indices, such as messages[0].status")
	}
	return steps, nil
}

// is tells whether there is anything to look for.
func (l lookup) is() bool { return l.path != nil || l.re != nil }

// find gives the value's text; false where there is none. Of JSON, texts, numbers,
// true and false are values.
func (l lookup) find(body []byte) (string, bool) {
	if l.re != nil {
		found := l.re.FindSubmatch(body)
		if found == nil {
			return "", false
		}
		return string(found[1]), true
	}
	if l.path == nil {
		return "", false
	}
	tree, ok := jsonTree(body)
	if !ok {
		return "", false
	}
	return scalarAt(tree, l.path)
}

// jsonTree reads JSON whose numbers stay as they are written.
func jsonTree(body []byte) (any, bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var tree any
	if decoder.Decode(&tree) != nil || decoder.More() {
		return nil, false
	}
	return tree, true
}

// nodeAt follows a path; nil where it leads nowhere.
func nodeAt(tree any, path []string) any {
	for _, step := range path {
		if index, ok := strings.CutPrefix(step, "["); ok {
			list, _ := tree.([]any)
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i >= len(list) {
				return nil
			}
			tree = list[i]
			continue
		}
		object, _ := tree.(map[string]any)
		tree = object[step]
	}
	return tree
}

// scalarAt gives the text of a value at the end of a path.
func scalarAt(tree any, path []string) (string, bool) {
	switch value := nodeAt(tree, path).(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}
