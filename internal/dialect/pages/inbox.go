package pages

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/phone"
)

// shown is how many messages one answer holds at most.
const shown = 200

type inbox struct{ Options }

// serve answers GET /dev/inbox: JSON for programs, a page for browsers. The
// JSON tells only what was sent, as a real phone would; that a code was
// withheld stands on the page alone.
func (i inbox) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	typed := recipient(r)
	to, err := phone.Number{}, error(nil)
	if typed != "" {
		to, err = phone.Parse(typed, i.DefaultRegion)
	}
	switch {
	case wantsPage(r.Header.Get("Accept")):
		i.page(w, r, typed, to, err)
	case err != nil:
		dialect.Fail(w, r, invalidRecipient(err))
	default:
		writeMessages(w, i.Inbox.List(to, shown))
	}
}

// recipient gives the number asked for. A plus that nobody wrote as %2B
// arrives as a blank; no number begins with one, so it can only be that.
func recipient(r *http.Request) string {
	to := r.URL.Query().Get("to")
	if rest, cut := strings.CutPrefix(to, " "); cut {
		to = "+" + rest
	}
	return to
}

func invalidRecipient(cause error) error {
	return &dialect.Refusal{
		Code:   core.CodeInvalidPhoneNumber,
		Errors: []dialect.Located{{Location: "query.to", Message: cause.Error()}},
	}
}

type messageJSON struct {
	To          string `json:"to"`
	Body        string `json:"body"`
	CreatedAt   string `json:"created_at"`
	Purpose     string `json:"purpose"`
	ChallengeID string `json:"challenge_id"`
}

func writeMessages(w http.ResponseWriter, messages []gateway.Message) {
	list := make([]messageJSON, 0, len(messages))
	for _, m := range messages {
		list = append(list, messageJSON{
			To:          m.To.E164(),
			Body:        m.Body.Reveal(),
			CreatedAt:   m.CreatedAt.UTC().Format(timestamp),
			Purpose:     m.Purpose,
			ChallengeID: m.ChallengeID,
		})
	}
	dialect.WriteJSON(w, http.StatusOK, "application/json", list)
}

// timestamp is RFC 3339 in UTC to the millisecond, as everywhere in the API.
const timestamp = "2006-01-02T15:04:05.000Z"

// wantsPage reads an Accept header (RFC 9110, 12.5.1): a page is for who names
// text/html and does not like JSON better. Programs that take anything (*/*)
// get the JSON.
func wantsPage(accept string) bool {
	html, object := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		mediaType, parameters, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(mediaType)) {
		case "text/html":
			html = max(html, quality(parameters))
		case "application/json":
			object = max(object, quality(parameters))
		}
	}
	return html > 0 && html >= object
}

// quality reads the q parameter of one media range; without one it is 1.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
