package server

import (
	"net/http"
	"testing"
)

func TestC83LoopbackListenersAnswerOnlyForTheirHosts(t *testing.T) {
	s := start(t, settings(t, t.TempDir(), "PUBLIC_URL=https://id.example.com", "DEV=true"), Options{})
	for host, fine := range map[string][2]bool{
		"localhost":            {true, true},
		"localhost:1":          {true, true},
		"127.0.0.1":            {true, true},
		"127.0.0.1:8420":       {true, true},
		"[::1]":                {true, true},
		"[::1]:8420":           {true, true},
		"LOCALHOST":            {true, true},
		"id.example.com":       {true, false},
		"id.example.com:443":   {true, false},
		"ID.example.com":       {true, false},
		"evil.example":         {false, false},
		"evil.example:8420":    {false, false},
		"localhost.evil":       {false, false},
		"127.0.0.1.nip.io":     {false, false},
		"x.id.example.com":     {false, false},
		"localhost@evil":       {false, false},
		"192.168.0.1":          {false, false},
		"[::ffff:192.168.0.1]": {false, false},
	} {
		for i, address := range []string{s.Addr(), s.OperatorAddr()} {
			for _, path := range []string{"/healthz", "/dev/inbox"} {
				want := http.StatusMisdirectedRequest
				switch {
				case fine[i] && i == 1 && path == "/dev/inbox":
					want = http.StatusNotFound
				case fine[i]:
					want = http.StatusOK
				}
				answer, _ := call(t, "GET", "http://"+address+path, "", "Host", host)
				if answer.StatusCode != want && (answer.StatusCode != http.StatusBadRequest || fine[i]) {
					t.Errorf("%s for %s on listener %d: %d, want %d", path, host, i, answer.StatusCode, want)
				}
			}
		}
	}
}

// A proxy on this machine brings strangers to the loopback listener.
func TestC83InboxIsNotServedThroughAProxy(t *testing.T) {
	for _, front := range []string{"TRUSTED_PROXIES=127.0.0.1", "PUBLIC_URL=https://id.example.com", "APP_NAME=No word of a proxy"} {
		for _, dev := range []bool{false, true} {
			others := []string{front}
			if dev {
				others = append(others, "DEV=true")
			}
			s := start(t, settings(t, t.TempDir(), others...), Options{})
			url := "http://" + s.Addr() + "/dev/inbox"
			if answer, _ := call(t, "GET", url, ""); answer.StatusCode != http.StatusOK {
				t.Errorf("%v: from this machine: %d", others, answer.StatusCode)
			}
			want := http.StatusNotFound
			if dev {
				want = http.StatusOK
			}
			if answer, _ := call(t, "GET", url, "", "X-Forwarded-For", "192.0.2.1"); answer.StatusCode != want {
				t.Errorf("%v: through a proxy: %d, want %d", others, answer.StatusCode, want)
			}
			if front == "PUBLIC_URL=https://id.example.com" {
				if answer, _ := call(t, "GET", url, "", "Host", "id.example.com"); answer.StatusCode != want {
					t.Errorf("%v: by the public name: %d, want %d", others, answer.StatusCode, want)
				}
			}
		}
	}
}
