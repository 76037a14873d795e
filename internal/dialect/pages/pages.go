package pages

import (
	"context"
	"net/http"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/gateway"
)

// Options are what the pages show.
type Options struct {
	// Inbox is where messages go in a development run. Without one there is no
	// /dev/inbox, and the front page only names the server.
	Inbox *gateway.Inbox
	// Withheld tells of the messages that were not sent because no account has
	// the number (E.164). It comes with Inbox; core.Core.Withheld is one.
	Withheld func(ctx context.Context, phoneNumber string) ([]core.Message, error)
	// DefaultRegion reads numbers typed without a plus ("" refuses them).
	DefaultRegion string
}

// The policy of every page: own files only, nothing inline, in nobody's frame.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// New serves the pages. GET and HEAD are the only methods; anything else gets
// the problem that the API would give.
func New(o Options) http.Handler {
	places := map[string]http.HandlerFunc{"/": file("bare.html"), "/docs": file("docs.html")}
	for _, name := range assetNames() {
		places["/assets/"+name] = file(name)
	}
	if o.Inbox != nil {
		places["/"] = file("front.html")
		places["/dev/inbox"] = inbox{o}.serve
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		place, ok := places[r.URL.EscapedPath()]
		switch {
		case !ok:
			dialect.Fail(w, r, &core.Error{Code: core.CodeNotFound})
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			dialect.Fail(w, r, &dialect.Refusal{Code: dialect.CodeMethodNotAllowed})
		default:
			place(w, r)
		}
	})
}

// secure sets the headers of every answer, problems included.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "otp-credentials=(self)")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}
