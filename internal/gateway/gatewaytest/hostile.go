package gatewaytest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// The classes of package gateway, which is not imported here.
const (
	retry     = "retry"
	failover  = "failover"
	ambiguous = "ambiguous"
)

// Try sends one message by a sender that calls with the client, or otherwise calls
// the provider, and gives the class of its error.
type Try func(ctx context.Context, client *http.Client) (class string, err error)

// Hostile calls a sender's Send against servers that answer as no provider should.
// Each must end in an error of a class that fits, with none of the canaries in it: the
// number, the text, the code, the credentials. None may follow a redirect.
// Taken is the status by which the provider takes a message (200, 201, 202).
func Hostile(t *testing.T, client *http.Client, taken int, try Try, canaries ...string) {
	t.Helper()
	echo := strings.Join(canaries, " ")
	for _, c := range hostile(taken, echo) {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server := httptest.NewServer(c.answer(cancel))
			defer server.Close()
			judge(t, c.classes, try, ctx, Divert(client, server.URL), canaries)
		})
	}
	t.Run("redirects", func(t *testing.T) { redirects(t, client, try, canaries) })
	t.Run("nobody listens", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		judge(t, []string{retry}, try, t.Context(), Divert(client, server.URL), canaries)
	})
	t.Run("no TLS", func(t *testing.T) {
		server := httptest.NewServer(http.NotFoundHandler())
		defer server.Close()
		to := strings.Replace(server.URL, "http:", "https:", 1)
		judge(t, []string{retry}, try, t.Context(), Divert(client, to), canaries)
	})
}

// judge tries once.
func judge(t *testing.T, classes []string, try Try, ctx context.Context, client *http.Client, canaries []string) {
	t.Helper()
	class, err := try(ctx, client)
	if err == nil {
		t.Fatal("it passes for taken")
	}
	if !slices.Contains(classes, class) {
		t.Errorf("class %q, want one of %q; %v", class, classes, err)
	}
	for _, shown := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		for _, canary := range canaries {
			if canary != "" && strings.Contains(shown, canary) {
				t.Errorf("the error tells a secret: %s", shown)
			}
		}
		if len(shown) > 1000 {
			t.Errorf("the error has %d bytes", len(shown))
		}
	}
}

// hostility is an answer that makes no sense, and the classes that fit it.
type hostility struct {
	name    string
	classes []string
	answer  func(cancel func()) http.HandlerFunc
}

// hostile lists them. Where the answer stays away, the caller's context ends once the
// request has come: no clock has to be waited for.
func hostile(taken int, echo string) []hostility {
	all := []hostility{
		{"a huge body", []string{ambiguous}, says(taken, "application/json", `{"a":"`+strings.Repeat("x", 200<<10)+`"}`)},
		{"no end of a body", []string{ambiguous}, endless(taken)},
		{"a body that stalls", []string{ambiguous}, stalls(taken)},
		{"no answer", []string{ambiguous}, stalls(0)},
		{"empty", []string{ambiguous}, says(taken, "application/json", "")},
		{"no content", []string{ambiguous}, says(http.StatusNoContent, "", "")},
		{"an early hint and no more", []string{ambiguous}, raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")},
		{"another protocol", []string{ambiguous}, raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")},
		{"cut off", []string{ambiguous}, raw("")},
		{"cut short", []string{ambiguous}, raw(fmt.Sprintf("HTTP/1.1 %d Fine\r\nContent-Length: 500\r\n\r\n{", taken))},
		{"no HTTP", []string{ambiguous}, raw(echo + "\r\n\r\n")},
		{"no status", []string{ambiguous}, raw("HTTP/1.1 " + echo + "\r\n\r\n")},
		{"no header", []string{ambiguous}, raw("HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n")},
		{"a page, as if taken", []string{ambiguous}, says(taken, "text/html", "<html>"+echo)},
		{"a page, 500", []string{ambiguous, retry}, says(500, "text/html", "<html>"+echo)},
		{"a page, 502", []string{retry}, says(502, "text/html", "<html>"+echo)},
		{"a page, 403", []string{failover}, says(403, "text/html", "<html>"+echo)},
		{"a page, 404", []string{failover}, says(404, "text/html", "<html>"+echo)},
		{"busy", []string{retry}, says(429, "", "")},
	}
	for _, body := range wrongTypes(echo) {
		all = append(all,
			hostility{"as if taken: " + body, []string{ambiguous}, says(taken, "application/json", body)},
			hostility{"refused: " + body, []string{failover}, says(400, "application/json", body)})
	}
	return all
}

// wrongTypes are bodies that are JSON, or nearly, and none of a provider's. Those
// members that providers' answers have are of all wrong types.
func wrongTypes(echo string) []string {
	const members = `{"sid":%[1]s,"status":%[1]s,"code":%[1]s,"message":%[1]s,"message_uuid":%[1]s,"type":%[1]s,` +
		`"title":%[1]s,"id":%[1]s,"recipients":%[1]s,"errors":%[1]s,"MessageId":%[1]s,"__type":%[1]s,"Reason":%[1]s,` +
		`"api_id":%[1]s,"error":%[1]s,"data":%[1]s,"messages":%[1]s,"errorCode":%[1]s,"requestError":%[1]s,"text":%[1]s}`
	quoted := `"` + strings.NewReplacer(`"`, ``, `\`, ``).Replace(echo) + `"`
	all := []string{`null`, `[]`, `[[[`, `{`, `"` + strings.Repeat("a", 100) + `"`, `{"":{}}`, strings.Repeat("[", 20_000), quoted}
	for _, value := range []string{`null`, `true`, `1e400`, `-0.5`, `[]`, `{}`, `[null]`, `[{}]`, `[` + quoted + `]`, quoted} {
		all = append(all, fmt.Sprintf(members, value))
	}
	return all
}

func says(status int, kind, body string) func(func()) http.HandlerFunc {
	return func(func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
}

// stalls begins an answer, or with status 0 none, and ends the caller's context.
func stalls(status int) func(func()) http.HandlerFunc {
	return func(cancel func()) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
				w.Write([]byte("{"))
				w.(http.Flusher).Flush()
			}
			io.Copy(io.Discard, r.Body) // a server sees that its client is gone once it has read all
			cancel()
			<-r.Context().Done()
		}
	}
}

// endless writes until nobody reads any more.
func endless(status int) func(func()) http.HandlerFunc {
	return func(func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			for {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}
	}
}

// raw answers with bytes of its own and hangs up.
func raw(text string) func(func()) http.HandlerFunc {
	return func(func()) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			buffered.WriteString(text)
			buffered.Flush()
		}
	}
}

// redirects must be followed nowhere, or the message and the credentials go there.
func redirects(t *testing.T, client *http.Client, try Try, canaries []string) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var followed atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				followed.Add(1)
			}
			http.Redirect(w, r, "https://elsewhere.example/elsewhere", status)
		}))
		judge(t, []string{failover, ambiguous}, try, t.Context(), Divert(client, server.URL), canaries)
		server.Close()
		if followed.Load() != 0 {
			t.Errorf("%d was followed", status)
		}
	}
}
