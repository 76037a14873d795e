package dialect

import (
	"net/http"
	"strings"

	"github.com/countersign/countersign/internal/core"
)

// Mount gives a part of a listener to a handler: the one path that Prefix is,
// or, where it ends in a slash, all paths under it.
type Mount struct {
	Prefix  string
	Handler http.Handler
}

// Mounts shares a listener out: the longest matching prefix serves. Unlike
// http.ServeMux it compares paths as they were sent and never cleans or
// redirects (C-67). What nobody has is not_found.
func Mounts(mounts ...Mount) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		var best *Mount
		for i, m := range mounts {
			under := strings.HasSuffix(m.Prefix, "/") && strings.HasPrefix(path, m.Prefix)
			if (under || path == m.Prefix) && (best == nil || len(m.Prefix) > len(best.Prefix)) {
				best = &mounts[i]
			}
		}
		if best == nil {
			Fail(w, r, refuse(core.CodeNotFound))
			return
		}
		best.Handler.ServeHTTP(w, r)
	})
}
