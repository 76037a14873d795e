package receipts

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/gateway"
)

// maxBody is how many bytes of a call are read: several receipts may come in one.
const maxBody = 64 << 10

// What a caller reads whose receipt is refused: by it `countersign doctor` knows
// that it reached this server.
const (
	SaysForged     = "not the provider's signature"
	SaysUnreadable = "this cannot be read as a receipt"
)

// Options are whose receipts are taken.
type Options struct {
	Core      *core.Core
	Senders   []gateway.Sender
	PublicURL string // what providers call us as: signatures are over it, never over a request's Host
	Currency  string // ISO 4217: prices in another are not taken over
	Now       func() time.Time
}

type desk struct {
	Options
	senders map[string]gateway.Sender
}

// New serves /receipts/{name}. A dialect.Edge has to stand around it. It answers
// 200 once all is stored (or is nobody's), 403 to what the provider did not sign,
// 400 to what cannot be read, 404 for a name that is no provider's, and 503 where
// it could not be stored, so that the provider says it again.
func New(o Options) http.Handler {
	d := desk{o, map[string]gateway.Sender{}}
	for _, s := range o.Senders {
		d.senders[s.Name()] = s
	}
	return dialect.NewTable(routes(d.serve))
}

// Names are those that answers are counted by.
func Names() []string {
	var names []string
	for _, r := range routes(nil) {
		names = append(names, r.Name)
	}
	return names
}

func routes(serve http.HandlerFunc) []dialect.Route {
	const path = "/receipts/{id}"
	return []dialect.Route{
		{Method: http.MethodPost, Path: path, Name: "receipt", Serve: serve},
		{Method: http.MethodGet, Path: path, Name: "receipt_get", Serve: serve},
	}
}

func (d desk) serve(w http.ResponseWriter, r *http.Request) {
	sender := d.senders[r.PathValue("id")]
	if sender == nil || r.Method == http.MethodHead {
		dialect.Fail(w, r, &core.Error{Code: core.CodeNotFound})
		return
	}
	body, err := dialect.ReadRaw(w, r, maxBody)
	if err != nil {
		dialect.Fail(w, r, err)
		return
	}
	caller := dialect.CallerFrom(r)
	told, err := sender.Receipts(r.Context(), gateway.Callback{
		Method: r.Method, URL: d.PublicURL + r.URL.RequestURI(), Header: r.Header, Body: body, Now: d.Now(),
	})
	switch {
	case errors.Is(err, gateway.ErrNoReceipts):
		dialect.Fail(w, r, &core.Error{Code: core.CodeNotFound})
		return
	case errors.Is(err, gateway.ErrForged):
		d.Core.ReceiptRefused(caller, sender.Name(), core.ReceiptForged)
		http.Error(w, SaysForged, http.StatusForbidden)
		return
	case err != nil:
		d.Core.ReceiptRefused(caller, sender.Name(), core.ReceiptUnreadable)
		http.Error(w, SaysUnreadable, http.StatusBadRequest)
		return
	}
	// What is half stored when the provider hangs up is stored whole.
	if err := d.Core.RecordReceipts(context.WithoutCancel(r.Context()), sender.Name(), Read(told, d.Currency)); err != nil {
		dialect.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// Read puts receipts in the core's terms.
func Read(told []gateway.Receipt, currency string) []core.ReceiptIn {
	receipts := make([]core.ReceiptIn, len(told))
	for i, t := range told {
		receipts[i] = core.ReceiptIn{
			MessageID: t.MessageID, Ref: t.ProviderRef, State: core.DeliveryState(t.State), Code: t.Code, At: t.At,
			Again: t.Class == gateway.Retry || t.Class == gateway.Failover, AtOnce: t.Class == gateway.Failover,
		}
		if t.Cost != nil && t.Cost.Currency == currency {
			receipts[i].Cost = (*core.Money)(&t.Cost.Amount)
		}
	}
	return receipts
}
