package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

const (
	awsID     = "AKIDEXAMPLE"
	awsTaken  = "00000000-0000-4000-8000-000000000001"
	awsSecret = canarySecret + "-aws/key+"
	awsARN    = "arn:aws:sns:eu-west-1:123456789012:receipts"
)

var awsSettings = settings{
	"region": "eu-west-1", "access_key_id": awsID, "secret_access_key": awsSecret,
	"configuration_set": "codes", "topic_arn": awsARN,
}

func awsFake(t *testing.T, o Options) (*gatewaytest.Fake, Sender) {
	t.Helper()
	fake := gatewaytest.NewAWS(t, "eu-west-1", awsID, awsSecret)
	o.HTTP = fake.Toward(o.HTTP)
	return fake, kitSender(t, "aws", o)
}

func TestAWSSignatureVector(t *testing.T) {
	const body = `{"DestinationPhoneNumber":"+14155550123","OriginationIdentity":"ACME","MessageBody":"hi","MessageType":"TRANSACTIONAL"}`
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {awsTarget}}
	key := awsKey{id: awsID, secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	awsSign(header, "sms-voice.eu-west-1.amazonaws.com", "eu-west-1", awsService, key, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), []byte(body))
	const want = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/sms-voice/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " +
		"Signature=da810f44fba4c9c36fac237f304544e29983113475434f477a6ac1174ffae8f0"
	if got := header.Get("Authorization"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAWSSends(t *testing.T) {
	const start = `{"DestinationPhoneNumber":"+` + canaryNumber + `","OriginationIdentity":"ACME","MessageBody":"` + kitBody +
		`","MessageType":"TRANSACTIONAL"`
	o := kitOptions(SMS, awsSettings)
	fake, s := awsFake(t, o)
	golden(t, fake, s, kitText(t), start+`,"ConfigurationSetName":"codes","Context":{"m":"`+kitMessage+`"},"TimeToLive":300}`,
		Sent{ProviderRef: awsTaken})
	if at := fake.Last().Header.Get("X-Amz-Date"); at != "20260730T200000Z" {
		t.Errorf("signed at %s", at)
	}

	o = kitOptions(SMS, awsSettings.with("configuration_set", "", "topic_arn", "", "max_price", "0.12", "session_token", canarySecret+"-session"))
	fake, s = awsFake(t, o)
	golden(t, fake, s, kitText(t), start+`,"Context":{"m":"`+kitMessage+`"},"TimeToLive":300,"MaxPrice":"0.12"}`, Sent{ProviderRef: awsTaken})
	if !strings.Contains(fake.Last().Header.Get("Authorization"), ";x-amz-security-token;") {
		t.Errorf("the session is not signed: %s", fake.Last().Header.Get("Authorization"))
	}

	o = kitOptions(SMS, awsSettings.with("configuration_set", "", "topic_arn", ""))
	o.DLT, o.From = kitDLT, nil
	fake, s = awsFake(t, o)
	golden(t, fake, s, kitIndian(t), `{"DestinationPhoneNumber":"+919876543210","MessageBody":"`+kitBody+
		`","MessageType":"TRANSACTIONAL","Context":{"m":"`+kitMessage+`"},"TimeToLive":300,"DestinationCountryParameters":`+
		`{"IN_ENTITY_ID":"1101000000000000001","IN_TEMPLATE_ID":"1107000000000000002"}}`, Sent{ProviderRef: awsTaken})
}

func TestAWSRefusals(t *testing.T) {
	fake, s := awsFake(t, kitOptions(SMS, awsSettings))
	kitRefusals(t, s, fake, byStatusAlone(`{"__type":"+`+canaryNumber+`","Message":"no","Reason":"+`+canaryNumber+`"}`))
	var cases []refusal
	for _, c := range []struct {
		kind, reason string
		class        Class
		alarm        bool
	}{
		{"ThrottlingException", "", Retry, false}, {"InternalServerException", "", Retry, false},
		{"AccessDeniedException", "ACCOUNT_DISABLED", Failover, true}, {"AccessDeniedException", "", Failover, true},
		{"ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", Failover, true},
		{"ResourceNotFoundException", "", Failover, true}, {"UnrecognizedClientException", "", Failover, true},
		{"InvalidSignatureException", "", Failover, true},
		{"ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", Failover, false},
		{"ConflictException", "RESOURCE_NOT_ACTIVE", Failover, false},
		{"ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", Failover, true},
		{"ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", Final, false},
		{"ConflictException", "ELSE", Failover, false},
		{"ValidationException", "DESTINATION_COUNTRY_BLOCKED", Failover, false},
		{"ValidationException", "COUNTRY_NOT_ENABLED", Failover, false},
		{"ValidationException", "SENDER_ID_NOT_REGISTERED", Failover, false},
		{"ValidationException", "SENDER_ID_NOT_SUPPORTED", Failover, false},
		{"ValidationException", "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY", Failover, false},
		{"ValidationException", "PRICE_OVER_THRESHOLD", Failover, false},
		{"ValidationException", "INVALID_PARAMETER", Final, false}, {"ValidationException", "", Final, false},
		{"NewException", "", Failover, false},
	} {
		code := c.reason
		if code == "" {
			code = c.kind
		}
		cases = append(cases, refusal{400, gatewaytest.AWSError(400, c.kind, c.reason).Body, c.class, code, c.alarm})
	}
	cases = append(cases,
		refusal{400, `{"__type":"ThrottlingException"}`, Retry, "ThrottlingException", false},
		refusal{500, gatewaytest.AWSError(500, "InternalServerException", "").Body, Retry, "InternalServerException", false},
		refusal{403, gatewaytest.AWSError(403, "ExpiredTokenException", "").Body, Failover, "ExpiredTokenException", true})
	kitRefusals(t, s, fake, cases)
}

func TestAWSHostile(t *testing.T) {
	kitHostile(t, "aws", kitOptions(SMS, awsSettings.with("session_token", canarySecret+"-session")), 200)
}

func TestAWSSettings(t *testing.T) {
	o := kitOptions(SMS, awsSettings)
	kitRedacts(t, kitSender(t, "aws", o))
	kitSettings(t, "aws", o, []settings{
		{"region": ""}, {"region": "Ireland"}, {"region": "eu-west-1.evil.example/"}, {"access_key_id": "akid lower"},
		{"secret_access_key": ""}, {"configuration_set": "a b"}, {"topic_arn": "arn:aws:sqs:eu-west-1:123456789012:receipts"},
		{"configuration_set": ""}, {"max_price": "cheap"}, {"max_price": "-1"},
	})
	kitFrom(t, "aws", o, map[string]string{"US": "ACME"}, map[string]string{"*": "longer than eleven"}, map[string]string{"*": "arn:aws:iam::1:role/x"})
	for _, own := range []string{"pool-0123456789abcdef", "arn:aws:sms-voice:eu-west-1:123456789012:pool/pool-1", "+14155550100", "12345"} {
		o.From = map[string]string{"US": own}
		kitSender(t, "aws", o)
	}
}

func TestAWSChecks(t *testing.T) {
	fake, s := awsFake(t, kitOptions(SMS, awsSettings))
	got := findings(s.Check(t.Context()))
	if got != fine || !strings.Contains(fake.Last().Body, `"DryRun":true`) || !strings.Contains(fake.Last().Body, `"codes"`) {
		t.Error(got, fake.Last().Body)
	}
	fake.Answers(gatewaytest.AWSError(400, "UnrecognizedClientException", ""), gatewaytest.AWSError(400, "ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"),
		gatewaytest.AWSError(400, "ResourceNotFoundException", ""))
	for _, want := range []string{"credentials: refused with UnrecognizedClientException", fine, "account: refused with ResourceNotFoundException"} {
		if got := findings(s.Check(t.Context())); !strings.Contains(got, want) && got != want {
			t.Error(got)
		}
	}
	_, s = awsFake(t, kitOptions(SMS, awsSettings.with("topic_arn", "")))
	if got := findings(s.Check(t.Context())); !strings.Contains(got, "receipts: none are asked for") {
		t.Error(got)
	}
}
