package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/google/go-cmp/cmp"
)

const infobipKey = canarySecret + "-infobip"

var infobipSettings = settings{"base": "AB12", "api_key": infobipKey, "receipt_token": kitToken}

func infobipFake(t *testing.T, o Options) (*gatewaytest.Fake, Sender) {
	t.Helper()
	fake := gatewaytest.NewInfobip(t, "ab12", infobipKey)
	o.HTTP = fake.Toward(o.HTTP)
	return fake, kitSender(t, "infobip", o)
}

func TestInfobipSends(t *testing.T) {
	const start = `{"messages":[{"sender":"ACME","destinations":[{"to":"` + canaryNumber + `","messageId":"` + kitMessage +
		`"}],"content":{"text":"` + kitBody + `"},"options":{"validityPeriod":{"amount":5,"timeUnit":"MINUTES"}}`
	took := Sent{ProviderRef: kitMessage, Segments: 1}

	fake, s := infobipFake(t, kitOptions(SMS, infobipSettings))
	golden(t, fake, s, kitText(t), start+`,"webhooks":{"delivery":{"url":"`+kitReceipts+`?m=`+kitMessage+`\u0026t=`+kitToken+
		`","intermediateReport":false},"contentType":"application/json","callbackData":"`+kitMessage+`"}}]}`, took)
	o := kitOptions(SMS, infobipSettings.with("receipt_token", ""))
	fake, s = infobipFake(t, o)
	golden(t, fake, s, kitText(t), start+`}]}`, took)

	o.DLT = kitDLT
	fake, s = infobipFake(t, o)
	golden(t, fake, s, kitIndian(t), `{"messages":[{"sender":"ACME","destinations":[{"to":"919876543210","messageId":"`+kitMessage+
		`"}],"content":{"text":"`+kitBody+`"},"options":{"validityPeriod":{"amount":5,"timeUnit":"MINUTES"},"regional":{"indiaDlt":`+
		`{"principalEntityId":"1101000000000000001","contentTemplateId":"1107000000000000002"}}}}]}`, took)
}

// A message whose answer was lost is not sent again: its id is known there.
func TestInfobipDropsRepeats(t *testing.T) {
	fake, s := infobipFake(t, kitOptions(SMS, infobipSettings))
	fake.Answers(gatewaytest.Answer{Status: 500})
	if _, err := s.Send(t.Context(), kitText(t)); refusalOf(t, err).Class != Ambiguous {
		t.Fatal(err)
	}
	sent, err := s.Send(t.Context(), kitText(t))
	if diff := cmp.Diff(Sent{ProviderRef: kitMessage}, sent); err != nil || diff != "" {
		t.Errorf("the repeat: %v\n%s", err, diff)
	}
}

func TestInfobipRefusals(t *testing.T) {
	fake, s := infobipFake(t, kitOptions(SMS, infobipSettings))
	kitRefusals(t, s, fake, byStatusAlone(`{"errorCode":"+`+canaryNumber+`","description":"no"}`))
	cases := []refusal{
		{400, `{"errorCode":"E400","description":"no","violations":[]}`, Failover, "E400", false},
		{401, `{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED","text":"no"}}}`, Failover, "UNAUTHORIZED", true},
		{200, gatewaytest.InfobipStatus(kitMessage, 5, 99).Body, Failover, "99", false},
		{200, gatewaytest.InfobipStatus(kitMessage, 2, 9).Body, Failover, "9", false},
		{200, gatewaytest.InfobipStatus(kitMessage, 4, 15).Body, Failover, "15", false},
	}
	for class, codes := range map[Class]string{Failover: "11 12 13 17 19", Retry: "20 21", Final: "8 14 52"} {
		for code := range strings.FieldsSeq(codes) {
			id, err := strconv.Atoi(code)
			if err != nil {
				t.Fatal(err)
			}
			alarm := code == "12" || code == "17"
			cases = append(cases, refusal{200, gatewaytest.InfobipStatus(kitMessage, 5, id).Body, class, code, alarm})
		}
	}
	kitRefusals(t, s, fake, cases)
	for _, status := range []string{`{}`, `{"id":26}`, `{"groupId":6}`, `{"groupId":-1}`, `{"groupId":"1"}`} {
		fake.Answers(gatewaytest.Answer{Status: 200, Body: `{"messages":[{"messageId":"x","status":` + status + `}]}`})
		if _, err := s.Send(t.Context(), kitText(t)); err == nil || refusalOf(t, err).Class != Ambiguous {
			t.Errorf("status %s: %v", status, err)
		}
	}
	for _, group := range []int{0, 1, 3, 7} {
		fake.Answers(gatewaytest.InfobipStatus(kitMessage, group, 3))
		if _, err := s.Send(t.Context(), kitText(t)); err != nil {
			t.Errorf("group %d: %v", group, err)
		}
	}
	withoutSender(t, "infobip", kitOptions(SMS, infobipSettings))
}

func TestInfobipHostile(t *testing.T) {
	kitHostile(t, "infobip", kitOptions(SMS, infobipSettings), 200)
}

func TestInfobipSettings(t *testing.T) {
	o := kitOptions(SMS, infobipSettings)
	kitRedacts(t, kitSender(t, "infobip", o))
	kitSettings(t, "infobip", o, []settings{
		{"base": ""}, {"base": "evil.example/"}, {"base": "a.b"}, {"base": "-a"}, {"api_key": ""}, {"receipt_token": "short"},
	})
	kitFrom(t, "infobip", o, nil, map[string]string{"US": "ACME"})
}

func TestInfobipChecks(t *testing.T) {
	fake, s := infobipFake(t, kitOptions(SMS, infobipSettings))
	if got := findings(s.Check(t.Context())); got != fine || fake.Last().Body != `{"messages":[]}` {
		t.Error(got, fake.Last().Body)
	}
	o := kitOptions(SMS, infobipSettings.with("api_key", "another", "receipt_token", ""))
	o.ReceiptURL = "https://10.1.2.3/receipts/own"
	_, s = infobipFake(t, o)
	got := findings(s.Check(t.Context()))
	for _, want := range []string{"credentials: refused", "callback URL: is an address of this machine or network", "receipts: none"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func infobipCallback(query, body string) Callback {
	return Callback{Method: http.MethodPost, URL: kitReceipts + query, Body: []byte(body), Now: kitNow}
}

// infobipResult is one report; permanent is true, false or null.
func infobipResult(group, id, code int, permanent string) string {
	return fmt.Sprintf(`{"messageId":%q,"to":%q,"sentAt":"2026-07-30T20:00:00.000+0000","doneAt":"2026-07-30T22:00:01.500+0200",`+
		`"status":{"groupId":%d,"groupName":"G","id":%d,"name":"N"},"error":{"groupName":"G","id":%d,"name":"EC","permanent":%s},"callbackData":%q}`,
		kitMessage, canaryNumber, group, id, code, permanent, kitMessage)
}

func TestInfobipTokens(t *testing.T) {
	old := strings.Repeat("o", 32)
	s := kitSender(t, "infobip", kitOptions(SMS, infobipSettings.with("receipt_token_previous", old)))
	body := `{"results":[` + infobipResult(3, 5, 0, "false") + `]}`
	received(t, s, infobipCallback("?m=1&t="+kitToken, body))
	received(t, s, infobipCallback("?m=1&t="+old, body))
	for _, query := range []string{"", "?t=", "?t=x", "?m=" + kitToken, "?t=&t=" + kitToken} {
		forged(t, s, query, infobipCallback(query, body))
	}
	s = kitSender(t, "infobip", kitOptions(SMS, infobipSettings.with("receipt_token", "")))
	if _, err := s.Receipts(t.Context(), infobipCallback("?t=", body)); err != ErrNoReceipts {
		t.Errorf("without a token: %v", err)
	}
}

func TestInfobipReceipts(t *testing.T) {
	s := kitSender(t, "infobip", kitOptions(SMS, infobipSettings))
	cases := []struct {
		group, id, code int
		permanent       string
		want            Receipt
	}{
		{0, 0, 0, "false", Receipt{State: StateAccepted}}, {1, 3, 0, "false", Receipt{State: StateAccepted}},
		{1, 26, 0, "false", Receipt{State: StateAccepted}}, {7, 30, 0, "false", Receipt{State: StateSent}},
		{1, 7, 0, "false", Receipt{State: StateSent}},
		{3, 5, 0, "false", Receipt{State: StateDelivered}}, {3, 2, 0, "false", Receipt{State: StateSent}},
		{2, 4, 27, "false", Receipt{State: StateUndelivered, Class: Retry, Code: "27"}},
		{2, 9, 1, "true", Receipt{State: StateUndelivered, Class: Final, Code: "1"}},
		{2, 9, 11, "true", Receipt{State: StateUndelivered, Class: Final, Code: "11"}},
		{2, 9, 0, "null", Receipt{State: StateUndelivered, Class: Failover}},
		{4, 15, 0, "true", Receipt{State: StateExpired, Class: Retry}}, {4, 29, 0, "false", Receipt{State: StateUnknown}},
		{5, 99, 0, "true", Receipt{State: StateFailed, Class: Failover, Code: "99"}},
		{5, 23, 0, "true", Receipt{State: StateAccepted}}, {6, 1, 0, "true", Receipt{State: StateUnknown}},
	}
	for class, ids := range map[Class][]int{Failover: {11, 12, 13, 17, 19}, Retry: {20, 21}, Final: {8, 14, 52}} {
		for _, id := range ids {
			cases = append(cases, struct {
				group, id, code int
				permanent       string
				want            Receipt
			}{5, id, 0, "true", Receipt{State: StateFailed, Class: class, Code: strconv.Itoa(id)}})
		}
	}
	var body []string
	var want []Receipt
	for _, c := range cases {
		body = append(body, infobipResult(c.group, c.id, c.code, c.permanent))
		c.want.MessageID, c.want.ProviderRef, c.want.At = kitMessage, kitMessage, kitNow.Add(1500*time.Millisecond)
		want = append(want, c.want)
	}
	got := received(t, s, infobipCallback("?t="+kitToken, `{"results":[`+strings.Join(body, ",")+`]}`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{"", "{}", `{"results":[]}`, `{"results":[{}]}`, `{"results":[{"messageId":"x","status":{}}]}`, `{"results":{}}`} {
		unreadable(t, s, infobipCallback("?t="+kitToken, body))
	}
	unreadable(t, s, altered(infobipCallback("?t="+kitToken, "{}"), func(c *Callback) { c.Method = http.MethodGet }))
}

func FuzzInfobip(f *testing.F) {
	f.Add(200, gatewaytest.InfobipStatus("x", 5, 23).Body)
	f.Add(400, `{"errorCode":"E400"}`)
	f.Add(0, `{"results":[`+infobipResult(5, 12, 7, "false")+`]}`)
	s := kitSender(f, "infobip", kitOptions(SMS, infobipSettings))
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := infobipAnswer(answer{status: status, header: http.Header{}, body: []byte(body)}, kitMessage)
		sound(t, sent, err)
		all, err := s.Receipts(t.Context(), infobipCallback("?t="+kitToken, body))
		soundReceipts(t, all, err)
	})
}
