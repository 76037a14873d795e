package server

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/config"
)

// secretsOfThePage are the environment of docs/providers.md: some kinds look at
// their secrets when they start. Others are words.
func secretsOfThePage(t *testing.T, name string) string {
	t.Helper()
	switch name {
	case "VONAGE_PRIVATE_KEY":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	case "SMPP_PWD":
		return "eightlet"
	case "WEBHOOK_SECRET":
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte("thirty-two bytes of a made-up key"))
	case "SUPABASE_HOOK_SECRET":
		return "v1,whsec_" + base64.StdEncoding.EncodeToString([]byte("thirty-two bytes of a made-up key"))
	case "TELNYX_PUBLIC_KEY":
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(public)
	}
	return "0123456789abcdef0123456789abcdef"
}

// Every example of the page stands, and every kind has one.
func TestTheProvidersPageStands(t *testing.T) {
	page, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // a file is made where the example has it
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	for _, example := range examples {
		text := example[1]
		if strings.HasPrefix(text, "-") {
			text = "sms_countries: [US, IN]\nsms_budget: {day: 50}\nsms_providers:\n" + text
		}
		var env []string
		for _, name := range regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(text, -1) {
			env = append(env, name[1]+"="+secretsOfThePage(t, name[1]))
		}
		path := filepath.Join(t.TempDir(), "page.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Sources{
			File: path, Env: append(env, "COUNTERSIGN_PUBLIC_URL=https://id.example.com"), Limits: LimitTable(), Alerts: AlertTable(), Providers: ProviderTable(),
		})
		if err == nil {
			err = Check(c)
		}
		if err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	for _, k := range ProviderTable() {
		if !regexp.MustCompile(`(?m)^- kind: ` + k.Name + `$|^  kind: ` + k.Name + `$`).Match(page) {
			t.Errorf("docs/providers.md has no example of the kind %s", k.Name)
		}
	}
}
