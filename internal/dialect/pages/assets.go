package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// assetNames lists what pages load: scripts, style and icon, but no page, for
// those have addresses of their own.
func assetNames() []string {
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".html") {
			names = append(names, e.Name())
		}
	}
	return names
}

// file serves one embedded file. Browsers keep it but ask each time whether it
// changed: a new release shows at once, and asking costs an empty 304.
func file(name string) http.HandlerFunc {
	content, err := embedded.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the file is part of the binary
	}
	sum := sha256.Sum256(content)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, no-cache")
		w.Header().Set("Content-Type", mediaType(name))
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// mediaType is spelled out: what the machine's own MIME table says must not
// decide whether a browser that never guesses runs our scripts.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return "text/html; charset=utf-8"
	}
}
