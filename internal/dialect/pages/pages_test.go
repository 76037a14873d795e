package pages

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway"
)

type answer struct {
	*http.Response
	body string
}

// ask sends one request; headers are name, value, name, value, …
func ask(t *testing.T, h http.Handler, method, target string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{w.Result(), string(body)}
}

func development() http.Handler { return New(Options{Inbox: gateway.NewInbox(10)}) }

func TestFrontPageIsTheTrialOnlyInDevelopment(t *testing.T) {
	if got := ask(t, development(), "GET", "/"); !strings.Contains(got.body, "/assets/front.js") {
		t.Error("a development run does not show the trial")
	}
	bare := New(Options{})
	got := ask(t, bare, "GET", "/")
	if strings.Contains(got.body, "<script") || strings.Contains(got.body, "inbox") {
		t.Error("outside development the front page offers the trial")
	}
	for _, link := range []string{`href="/docs"`, `href="/openapi.json"`} {
		if !strings.Contains(got.body, link) {
			t.Errorf("the bare front page lacks %s", link)
		}
	}
	if got := ask(t, bare, "GET", "/dev/inbox"); got.StatusCode != http.StatusNotFound {
		t.Errorf("without an inbox /dev/inbox answers %d", got.StatusCode)
	}
}

func TestC95PagesSetStrictHeaders(t *testing.T) {
	want := map[string]string{
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Permissions-Policy":           "otp-credentials=(self)",
		"Referrer-Policy":              "no-referrer",
		"X-Content-Type-Options":       "nosniff",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	}
	for _, target := range []string{"/", "/docs", "/dev/inbox", "/assets/front.js", "/nothing"} {
		got := ask(t, development(), "GET", target, "Accept", "text/html")
		for name, value := range want {
			if got.Header.Get(name) != value {
				t.Errorf("%s: %s is %q", target, name, got.Header.Get(name))
			}
		}
	}
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	for _, target := range []string{"/nothing", "/docs/", "/assets/", "/assets/front.html", "/assets/../pages.go", "//", "/dev/inbox/"} {
		if got := ask(t, development(), "GET", target); got.StatusCode != 404 || !strings.Contains(got.body, `"not_found"`) {
			t.Errorf("GET %s: %d %s", target, got.StatusCode, got.body)
		}
	}
	for _, target := range []string{"/", "/docs", "/dev/inbox", "/assets/style.css"} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			got := ask(t, development(), method, target)
			if got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" || !strings.Contains(got.body, `"method_not_allowed"`) {
				t.Errorf("%s %s: %d, Allow %q, %s", method, target, got.StatusCode, got.Header.Get("Allow"), got.body)
			}
		}
		if got := ask(t, development(), "HEAD", target); got.StatusCode != 200 {
			t.Errorf("HEAD %s: %d", target, got.StatusCode)
		}
	}
}

func TestAssetsAreAskedForAgainByTag(t *testing.T) {
	types := map[string]string{
		"front.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml",
	}
	for name, mediaType := range types {
		got := ask(t, development(), "GET", "/assets/"+name)
		if got.Header.Get("Content-Type") != mediaType || got.Header.Get("Cache-Control") != "public, no-cache" {
			t.Errorf("%s: %v", name, got.Header)
		}
		tag := got.Header.Get("ETag")
		if tag == "" {
			t.Fatalf("%s has no ETag", name)
		}
		if again := ask(t, development(), "GET", "/assets/"+name, "If-None-Match", tag); again.StatusCode != 304 || again.body != "" {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
	}
}

// The pages must work without any other machine, and under a policy that
// allows nothing inline.
func TestEmbeddedFilesNameNoOutsideHostAndNothingInline(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(https?|wss?):|["'(=\s]//[a-z0-9]|@import|\burl\(`)
	namespace := `xmlns="http://www.w3.org/2000/svg"` // a name, never fetched
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(>| type="module">)|javascript:`)
	for name, content := range embeddedFiles(t) {
		text := strings.ReplaceAll(content, namespace, "")
		if strings.HasSuffix(name, ".js") {
			text = regexp.MustCompile(`(?m)(^|\s)// .*$`).ReplaceAllString(text, "")
		}
		if found := outside.FindString(text); found != "" {
			t.Errorf("%s names a host: %q", name, found)
		}
		if strings.HasSuffix(name, ".html") {
			if found := inline.FindString(text); found != "" {
				t.Errorf("%s has something inline: %q", name, found)
			}
		}
		if strings.HasSuffix(name, ".js") && strings.Contains(text, "innerHTML") {
			t.Errorf("%s writes HTML from text", name)
		}
	}
}

func TestEveryReferenceBetweenPagesIsServed(t *testing.T) {
	h := development()
	reference := regexp.MustCompile(`(?:href|src|action)="(/[^"#?]*)"|from '\./([a-z.]+)'`)
	for name, content := range embeddedFiles(t) {
		for _, m := range reference.FindAllStringSubmatch(content, -1) {
			target := m[1]
			if target == "" {
				target = "/assets/" + m[2]
			}
			if target == "/openapi.json" {
				continue // the native dialect's
			}
			if got := ask(t, h, "GET", target); got.StatusCode != 200 {
				t.Errorf("%s leads to %s: %d", name, target, got.StatusCode)
			}
		}
	}
}

func TestThePagesStaySmall(t *testing.T) {
	most := map[string]int{
		"front.html": 9 << 10, "front.js": 18 << 10, "altcha.js": 2 << 10, "inbox.js": 2 << 10, "docs.js": 9 << 10, "docs.html": 2 << 10,
		"bare.html": 1 << 10, "style.css": 13 << 10, "icon.svg": 1 << 10,
	}
	for name, content := range embeddedFiles(t) {
		if len(content) > most[name] {
			t.Errorf("%s has %d bytes, at most %d", name, len(content), most[name])
		}
	}
}

func TestC99FieldsTellBrowsersWhatTheyTake(t *testing.T) {
	page := embeddedFiles(t)["front.html"]
	for _, attribute := range []string{
		`autocomplete="one-time-code"`, `inputmode="numeric"`, `autocomplete="new-password"`,
		`autocomplete="current-password"`, `autocomplete="tel"`, `aria-live="polite"`, `role="alert"`,
	} {
		if !strings.Contains(page, attribute) {
			t.Errorf("the front page lacks %s", attribute)
		}
	}
	if strings.Contains(page, "onpaste") || strings.Contains(page, `autocomplete="off"`) {
		t.Error("the front page stands in the way of paste or a password manager")
	}
}

func embeddedFiles(t *testing.T) map[string]string {
	t.Helper()
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		content, err := embedded.ReadFile("assets/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}
