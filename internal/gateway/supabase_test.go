package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

const supabaseSecret = "v1," + gatewaytest.HookSecret

func supabaseSender(t *testing.T, client *http.Client, more ...string) Sender {
	values := map[string]string{"url": "https://hook.supabase.example/send-sms", "secret": supabaseSecret + "|v1," + otherSecret}
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	return hookSender(t, "supabase", client, values)
}

func TestSupabaseSends(t *testing.T) {
	for plus, phone := range map[string]string{"": "919812345678", "true": "+919812345678"} {
		hook := gatewaytest.NewSupabaseHook(t, gatewaytest.HookSecret, hookTime)
		s := supabaseSender(t, hook.Toward(NewHTTPClient()), "plus", plus)
		if sent, err := s.Send(t.Context(), hookMessage(t)); err != nil || sent != (Sent{}) {
			t.Errorf("got %+v, %v", sent, err)
		}
		golden := `{"metadata":{"uuid":"0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee","time":"2021-02-25T15:02:07Z","name":"send-sms"},` +
			`"user":{"id":"0190ffff-bbbb-7ccc-8ddd-eeeeeeeeeeee","aud":"authenticated","role":"authenticated","email":"","phone":"` + phone + `",` +
			`"app_metadata":{"provider":"phone","providers":["phone"]},"user_metadata":{"locale":"en"},"identities":[],` +
			`"created_at":"2021-02-25T15:02:07Z","updated_at":"2021-02-25T15:02:07Z","is_anonymous":false},"sms":{"otp":"canary-551","phone":"` + phone + `"}}`
		if got := hook.Last(); got.Body != golden || got.Header.Get("webhook-id") != hookMessage(t).ID {
			t.Errorf("sent %s\nwant %s", got.Body, golden)
		}
	}
}

func TestSupabaseClasses(t *testing.T) {
	hook := gatewaytest.NewSupabaseHook(t, gatewaytest.HookSecret, hookTime)
	s := supabaseSender(t, hook.Toward(NewHTTPClient()))
	for _, c := range []struct {
		status int
		body   string
		class  Class // "" is taken
		alarm  bool
	}{
		{200, `{}`, "", false},
		{202, ``, "", false},
		{204, ``, "", false},
		{200, `{"error":null}`, "", false},
		{200, `{"error":{"http_code":429,"message":"canary-551"}}`, Retry, false},
		{200, `{"error":{"http_code":403,"message":"canary-551"}}`, Failover, true},
		{200, `{"error":{"http_code":422,"message":"canary-551"}}`, Failover, false},
		{200, `{"error":{"http_code":500,"message":"canary-551"}}`, Ambiguous, false},
		{200, `{"error":{"message":"canary-551"}}`, Failover, false},
		{400, `{"error":{"http_code":429,"message":"canary-551"}}`, Failover, false},
		{403, ``, Failover, true},
		{429, ``, Retry, false},
		{500, ``, Ambiguous, false},
		{503, ``, Retry, false},
	} {
		hook.Answers(gatewaytest.Answer{Status: c.status, Body: c.body})
		_, err := s.Send(t.Context(), hookMessage(t))
		var got *SendError
		if errors.As(err, &got); (err == nil) != (c.class == "") || got != nil && (got.Class != c.class || got.Alarm != c.alarm || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
		}
	}
}

func TestSupabaseHostile(t *testing.T) {
	m := hookMessage(t)
	gatewaytest.Hostile(t, NewHTTPClient(), 200, func(ctx context.Context, client *http.Client) (string, error) {
		_, err := supabaseSender(t, client, "url", "https://hook.supabase.example/canary-path").Send(ctx, m)
		if err == nil {
			return string(Ambiguous), errors.New("taken") // any success is one, but for an error in it
		}
		if got := classOf(err); got == Failover && strings.Contains(err.Error(), "answer of success") {
			return string(Ambiguous), err
		}
		return string(classOf(err)), err
	}, m.To.E164(), m.Body.Reveal(), m.Code.Reveal(), otherSecret, "canary-path")
}

func TestSupabaseElse(t *testing.T) {
	hook := gatewaytest.NewSupabaseHook(t, gatewaytest.HookSecret, hookTime)
	s := supabaseSender(t, hook.Toward(NewHTTPClient()))
	m := hookMessage(t)
	m.Code = ""
	if _, err := s.Send(t.Context(), m); classOf(err) != Failover {
		t.Errorf("a notice: %v", err)
	}
	if _, err := s.Receipts(t.Context(), Callback{}); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("receipts: %v", err)
	}
	if got := problems(s.Check(t.Context())); got != "" {
		t.Errorf("checked: %s", got)
	}
	_, public := hookPair()
	for setting, value := range map[string]string{"url": "http://hook.supabase.example", "secret": "v1,canary", "plus": "canary", "allow_private": "canary"} {
		for _, v := range []string{value, map[string]string{"secret": public}[setting]} {
			if v == "" {
				continue
			}
			_, err := New("supabase", Options{Channel: SMS, HTTP: NewHTTPClient(), Values: secrets(with(map[string]string{
				"url": "https://hook.supabase.example", "secret": supabaseSecret}, setting, v))})
			var wrong *SettingError
			if !errors.As(err, &wrong) || wrong.Setting != setting || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", setting, err)
			}
		}
	}
}
