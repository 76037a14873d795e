package locale

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var builtIn Texts

var update = flag.Bool("update", false, "write testdata/texts.golden anew")

var (
	purposes = []string{"signup", "login", "password_reset", "phone_change", "reauthentication"}
	kinds    = []string{"password_reset", "phone_number_changed"}
	sample   = Vars{App: "Countersign", Code: "123456", Host: "auth.example.com", Minutes: 10}
)

// eachText calls f with every text of every language.
func eachText(f func(lang, what, text string)) {
	for _, lang := range slices.Sorted(maps.Keys(catalogue)) {
		for _, p := range purposes {
			f(lang, p, builtIn.Code(lang, p, sample))
		}
		for _, k := range kinds {
			f(lang, k+" notice", builtIn.Notice(lang, k, sample))
		}
	}
}

func TestTextsAsRead(t *testing.T) {
	const golden = "testdata/texts.golden"
	var all strings.Builder
	eachText(func(lang, what, text string) {
		n, encoding := Segments(text)
		fmt.Fprintf(&all, "-- %s, %s: %d %s\n%s\n", lang, what, n, encoding, text)
	})
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("texts changed (-golden +now); run with -update if they should:\n%s", diff)
	}
}

// The page's table is made by this test: go test ./internal/locale -update.
func TestThePageTellsTheLanguages(t *testing.T) {
	const page, begin, end = "../../docs/texts.md", "<!-- made: languages -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	made, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", page)
	}
	var table strings.Builder
	table.WriteString("\n| language | a sign-in code | segments | of |\n| --- | --- | --- | --- |\n")
	for _, lang := range Languages() {
		text := builtIn.Code(lang, "login", sample)
		words, _, _ := strings.Cut(text, "\n")
		n, encoding := Segments(text)
		fmt.Fprintf(&table, "| `%s` | %s | %d | %s |\n", lang, words, n, encoding)
	}
	table.WriteString("\n")
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), made); diff != "" {
		t.Errorf("run with -update (-want +page):\n%s", diff)
	}
}

func TestC10CodeMessages(t *testing.T) {
	for lang := range catalogue {
		seen := map[string]string{}
		for _, p := range purposes {
			text := builtIn.Code(lang, p, sample)
			words, last, ok := strings.Cut(text, "\n")
			if !ok || last != "@auth.example.com #123456" {
				t.Errorf("%s, %s: last line %q", lang, p, last)
			}
			if !strings.HasPrefix(words, "Countersign: 123456 ") {
				t.Errorf("%s, %s: lacks app or code: %q", lang, p, words)
			}
			if short := slices.Contains([]string{"ar", "he", "hi"}, lang); strings.Contains(words, "10") == short {
				t.Errorf("%s, %s: tells its life, or does not: %q", lang, p, words)
			}
			if other, ok := seen[words]; ok {
				t.Errorf("%s: %s and %s read alike", lang, p, other)
			}
			seen[words] = p
		}
	}
}

func TestC10NothingOfAUsersEnters(t *testing.T) {
	fields := reflect.VisibleFields(reflect.TypeFor[Vars]())
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"App", "Code", "Host", "AppHash", "Minutes"}, names); diff != "" {
		t.Errorf("what enters a text (-want +got): judge anew whether a user can write it\n%s", diff)
	}
	eachText(func(lang, what, text string) {
		lower := strings.ToLower(text)
		for _, link := range []string{"://", "www.", "http", "bit.ly"} {
			if strings.Contains(lower, link) {
				t.Errorf("%s, %s: has a link: %q", lang, what, text)
			}
		}
		if strings.ContainsAny(text, "{}") {
			t.Errorf("%s, %s: has an unfilled place: %q", lang, what, text)
		}
	})
}

// A name that looks like a place to fill stays as it is.
func TestC10PlacesAreFilledOnce(t *testing.T) {
	text := builtIn.Code("en", "login", Vars{App: "{code}{purpose}", Code: "123456", Minutes: 10})
	if want := "{code}{purpose}: 123456 is your sign-in code. Never share it. Valid for 10 min."; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

// One segment is one price. Where 70 units of UCS-2 hold no more than app, code
// and last line, there are two.
func TestC10MessagesAreShort(t *testing.T) {
	two := []string{"ru", "uk"}
	eachText(func(lang, what, text string) {
		n, encoding := Segments(text)
		most := 1
		if slices.Contains(two, lang) {
			most = 2
		}
		if n < 1 || n > most {
			t.Errorf("%s, %s: %d segments of %s: %q", lang, what, n, encoding, text)
		}
	})
	if n := len(Languages()) - len(two); n < 20 {
		t.Errorf("%d languages in one segment", n)
	}
}

// The SMS Retriever of Android takes 140 bytes, and its hash at the end.
func TestAndroidMessages(t *testing.T) {
	v := sample
	v.AppHash = "FA+9qCX9VSu"
	for _, p := range purposes {
		text := builtIn.Code("en", p, v)
		if !strings.HasSuffix(text, "\nFA+9qCX9VSu") || strings.Contains(text, "@") || len(text) > 140 {
			t.Errorf("%s: %d bytes: %q", p, len(text), text)
		}
	}
}

func TestNoticesTellHowToObject(t *testing.T) {
	for lang := range catalogue {
		for _, k := range kinds {
			if n := strings.Count(builtIn.Notice(lang, k, sample), "Countersign"); n != 2 {
				t.Errorf("%s, %s: names the service %d times: once as sender, once as whom to contact", lang, k, n)
			}
		}
	}
}

func TestMessagesOfUnknownWords(t *testing.T) {
	if got, want := builtIn.Code("xx", "login", sample), builtIn.Code("en", "login", sample); got != want {
		t.Errorf("an unknown language: %q", got)
	}
	if got, want := builtIn.Code("en", "other", sample), builtIn.Code("en", "reauthentication", sample); got != want {
		t.Errorf("an unknown purpose: %q", got)
	}
	if got := builtIn.Notice("en", "other", sample); got != "" {
		t.Errorf("an unknown notice: %q", got)
	}
	if got := builtIn.Code("en", "login", Vars{App: "A", Code: "1"}); strings.Contains(got, "@") || strings.Contains(got, "\n") {
		t.Errorf("no host, and yet its line: %q", got)
	}
}
