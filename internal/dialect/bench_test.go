package dialect

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What the translation costs, beside a handler that answers the same bytes.
func BenchmarkTranslation(b *testing.B) {
	const body = `{"phone":"+14155550100","secret":"csr_0123456789012345678901234567890123456789","inner":{"name":"phone"}}`
	for name, handler := range map[string]http.Handler{
		"route": edge(new(bytes.Buffer)).Wrap(NewTable(echoRoutes())),
		"bare": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
		}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/v1/echo", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
