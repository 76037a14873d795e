package e2e

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The front page, as a person sees it, signs somebody up: the inbox beside it
// fills, the code is pressed there, tokens come and are shown. Somebody else at
// the same address has used up its signups, so that a proof of work is asked for,
// which the browser does.
func TestFrontPageSignsUp(t *testing.T) {
	t.Parallel()
	h := startHouse(t, "COUNTERSIGN_CAPTCHA_PROVIDER=altcha", "COUNTERSIGN_LIMITS=begin_address=1/1h")
	others := h.must(t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: members{"phone_number": "+1 415 555 0199"}})
	b := openBrowser(t)
	b.do(chromedp.Navigate(h.public))

	b.press(`[data-call=begin] button`)
	if asked := b.text(`#number .call:not(.again) .problem code`); asked != "captcha_required" {
		t.Errorf("the signup is answered with %s", asked)
	}
	b.sees(`#number .again .say`, "A challenge is open until")
	b.sees(`#number .again .proof`, "Proving that this is no robot")
	b.sees(`#number .again .proof`, "Done: the same request again")
	b.sees(`#number .again .curl`, `"captcha":{"type":"altcha","token":"`)

	b.do(chromedp.WaitNotPresent(chromedp.CSS(`#messages [data-challenge="` + others.text("challenge_id") + `"]`)))
	b.press(`#messages [data-challenge="` + b.attribute(`form[data-call=verify]`, "data-challenge") + `"] [data-code]`)
	b.do(chromedp.WaitVisible(chromedp.CSS(`[data-call=verify] button:focus`)))
	b.press(`[data-call=verify] button`)
	b.sees(`[data-call=verify] + .call .say`, "The account exists now")
	for _, part := range []string{"ES256", "auth_time", "refresh token", "device token"} {
		b.sees(`#decoded table`, part)
	}
	b.press(`[data-call=me] button`)
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

// press waits until what it presses can be seen and is open, and presses it from
// the keyboard: the page may move under a mouse while messages come in.
func (b browser) press(selector string) {
	b.t.Helper()
	at := chromedp.CSS(selector)
	err := chromedp.Do(b.ctx, chromedp.WaitEnabled(at), chromedp.Focus(at, chromedp.NodeVisible), chromedp.KeyEvent(kb.Enter))
	if err != nil {
		b.t.Fatalf("pressing %s: %v", selector, err)
	}
}

// attribute waits until something that can be seen has the attribute.
func (b browser) attribute(selector, name string) string {
	b.t.Helper()
	read, err := chromedp.Run(b.ctx, chromedp.AttributeValue(chromedp.CSS(selector+"["+name+"]"), name, chromedp.NodeVisible))
	if err != nil {
		b.t.Fatalf("reading %s of %s: %v", name, selector, err)
	}
	return read.Value
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
