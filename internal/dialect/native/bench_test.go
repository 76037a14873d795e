package native_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// GET /v1/me with all that belongs to it (edge, token, session and user read,
// number opened, JSON), beside a handler that answers the same bytes.
func BenchmarkMe(b *testing.B) {
	h := newHouse(b)
	set := h.signUp(alice, "")
	body := h.call(200, "GET", "/v1/me", set.AccessToken, "").Body.Bytes()
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	for name, handler := range map[string]http.Handler{"served": h.handler, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, request("GET", "/v1/me", set.AccessToken, ""))
					if w.Code != http.StatusOK {
						b.Error(w.Code)
					}
				}
			})
		})
	}
}
