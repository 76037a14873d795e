package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// awsKey is what requests to AWS are signed with.
type awsKey struct {
	id, secret, session string // session: "" for keys that stay
}

// awsSign signs a POST to the root of a host (Signature Version 4): it adds
// X-Amz-Date, the session's token where there is one, and Authorization. Every
// header that is there before is signed with them, so the caller sets no other.
func awsSign(header http.Header, host, region, service string, key awsKey, now time.Time, body []byte) {
	at := now.UTC().Format("20060102T150405Z")
	header.Set("X-Amz-Date", at)
	if key.session != "" {
		header.Set("X-Amz-Security-Token", key.session)
	}
	signed := map[string]string{"host": host}
	for name := range header {
		signed[strings.ToLower(name)] = strings.TrimSpace(header.Get(name))
	}
	names := slices.Sorted(maps.Keys(signed))
	lines := ""
	for _, name := range names {
		lines += name + ":" + signed[name] + "\n"
	}
	list := strings.Join(names, ";")
	request := strings.Join([]string{http.MethodPost, "/", "", lines, list, hexSHA256(body)}, "\n")

	scope := strings.Join([]string{at[:8], region, service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hexSHA256([]byte(request))}, "\n")
	mac := []byte("AWS4" + key.secret)
	for part := range strings.SplitSeq(scope, "/") {
		mac = hmacSHA256(mac, part)
	}
	header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key.id+"/"+scope+
		", SignedHeaders="+list+", Signature="+hex.EncodeToString(hmacSHA256(mac, text)))
}

func hexSHA256(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
