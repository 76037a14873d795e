package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/keyring"
)

// The front page, as a person sees it, signs somebody up: the inbox beside it
// fills, the code is pressed there, tokens come and are shown. The first signup
// is asked for a proof of work, which the browser does.
func TestFrontPageSignsUp(t *testing.T) {
	t.Parallel()
	gate := newGate(t, startHouse(t), captcha.Easy)
	b := openBrowser(t)
	b.do(chromedp.Navigate(gate.URL))

	b.click(`[data-call=begin] button`)
	if asked := b.text(`#number .call:not(.again) .problem code`); asked != "captcha_required" {
		t.Errorf("the first signup is answered with %s", asked)
	}
	b.sees(`#number .again .say`, "A challenge is open until")
	b.sees(`#number .again .proof`, "Proving that this is no robot")
	b.sees(`#number .again .proof`, "Done: the same request again")
	b.sees(`#number .again .curl`, `"captcha":{"type":"altcha","token":"`)
	if n := gate.proved.Load(); n != 1 {
		t.Errorf("%d proofs came", n)
	}

	b.click(`#messages [data-code]`)
	b.click(`[data-call=verify] button`)
	b.sees(`[data-call=verify] + .call .say`, "The account exists now")
	for _, part := range []string{"ES256", "auth_time", "refresh token", "device token"} {
		b.sees(`#decoded table`, part)
	}
	b.click(`[data-call=me] button`)
	b.sees(`[data-call=me] + .call .say`, "Account ")
}

// slowStart is how long a browser may take for all that it does in a test: on a
// machine that runs all tests at once it has not opened for many seconds.
const slowStart = 2 * time.Minute

// browser is a page of Chromium, without a window.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// openBrowser opens an empty page. What goes wrong in it fails the test.
func openBrowser(t *testing.T) browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("the front page is shown in a browser: install chromium, as scripts/test does: %v", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)
	soon, late := context.WithTimeout(context.Background(), slowStart)
	chromium, closeChromium := chromedp.NewExecAllocator(soon, options...)
	page, closePage := chromedp.NewContext(chromium)
	t.Cleanup(func() {
		closePage()
		closeChromium()
		late()
	})
	err = chromedp.Listen(page, func(e any) {
		if thrown, ok := e.(*runtime.EventExceptionThrown); ok {
			t.Errorf("thrown in the page: %s", thrown.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return browser{t, page}
}

func (b browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// click waits until what it clicks can be seen, and is open.
func (b browser) click(selector string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible, chromedp.NodeEnabled)); err != nil {
		b.t.Fatalf("clicking %s: %v", selector, err)
	}
}

// text waits until something can be seen, and reads it.
func (b browser) text(selector string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(selector), chromedp.NodeVisible))
	if err != nil {
		b.t.Fatalf("reading %s: %v", selector, err)
	}
	return text
}

// sees waits until something says what it should.
func (b browser) sees(selector, want string) {
	b.t.Helper()
	var text string
	eventually(b.t, selector+" saying "+want, func() bool {
		text = b.text(selector)
		return strings.Contains(text, want)
	})
}

// gate stands before a server and lets the first signup in with a proof only.
type gate struct {
	*httptest.Server
	work   *captcha.PoW
	hard   captcha.Hardness
	proved atomic.Int64
}

const gateSubject = "the first signup"

func newGate(t *testing.T, h *house, hard captcha.Hardness) *gate {
	t.Helper()
	masters, err := keyring.ParseMasters("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	public, err := url.Parse(h.public)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{work: captcha.NewPoW(captcha.PoWOptions{Ring: ring, Rand: rand.Reader}), hard: hard}
	server := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(public) }}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/signup" && !g.proves(t, r) {
			g.ask(t, w)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

// proves tells whether a signup carries a proof, and judges it.
func (g *gate) proves(t *testing.T, r *http.Request) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var signup struct {
		Captcha *struct {
			Type  string `json:"type"`
			Token string `json:"token"`
		} `json:"captcha"`
	}
	if err := json.Unmarshal(body, &signup); err != nil {
		t.Error(err)
	}
	if signup.Captcha == nil {
		return false
	}
	_, err = g.work.Verify(r.Context(), time.Now(), gateSubject, captcha.Solution{Type: signup.Captcha.Type, Token: keyring.Secret(signup.Captcha.Token)})
	if err != nil {
		t.Errorf("the browser's proof: %v", err)
	}
	g.proved.Add(1)
	return true
}

func (g *gate) ask(t *testing.T, w http.ResponseWriter) {
	asked, err := g.work.Ask(time.Now(), gateSubject, g.hard)
	if err != nil {
		t.Error(err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusForbidden)
	problem := map[string]any{"title": "Captcha required", "status": 403, "code": "captcha_required", "captcha": asked}
	if err := json.NewEncoder(w).Encode(problem); err != nil {
		t.Error(err)
	}
}
