package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	awsService = "sms-voice"
	awsTarget  = "PinpointSMSVoiceV2.SendTextMessage"
	awsLongest = 72 * 60 * 60   // seconds that a message may live
	awsNobody  = "+14155550100" // whom the dry run is for: a number that nobody has
)

var (
	awsRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]{2,12}){1,2}-[0-9]$`)
	awsKeyID  = regexp.MustCompile(`^[A-Z0-9]{8,128}$`)
	awsPrice  = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,6})?$`)
	awsTopic  = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]{3,}:[0-9]{12}:[A-Za-z0-9_-]{1,256}$`)
	awsSet    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	awsSender = regexp.MustCompile(`^((pool|phone|sender)-[A-Za-z0-9]{1,64}|arn:aws[a-z-]*:sms-voice:[A-Za-z0-9:/_-]{1,200})$`)
)

// awsCodes are the types of its errors, and the reasons that say more than their
// type.
var awsCodes = map[string]verdict{
	"ThrottlingException":                      retryLater,
	"InternalServerException":                  retryLater,
	"AccessDeniedException":                    mustAct,
	"ServiceQuotaExceededException":            mustAct,
	"ResourceNotFoundException":                mustAct,
	"UnrecognizedClientException":              mustAct,
	"InvalidSignatureException":                mustAct,
	"ConflictException":                        useAnother,
	"NO_ORIGINATION_IDENTITIES_FOUND":          useAnother,
	"RESOURCE_NOT_ACTIVE":                      useAnother,
	"DESTINATION_PHONE_NUMBER_NOT_VERIFIED":    mustAct, // the account is in the sandbox
	"DESTINATION_PHONE_NUMBER_OPTED_OUT":       noWay,
	"ValidationException":                      noWay,
	"DESTINATION_COUNTRY_BLOCKED":              useAnother,
	"COUNTRY_NOT_ENABLED":                      useAnother,
	"INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": useAnother,
	"PRICE_OVER_THRESHOLD":                     useAnother,
}

// awsSenderReason begins the reasons that blame the sender.
const awsSenderReason = "SENDER_ID_"

func awsKind() Kind {
	return Kind{
		Name: "aws", Doc: "AWS End User Messaging SMS", Channels: []Channel{SMS}, New: newAWS,
		Settings: []Setting{
			{Name: "region", Required: true, Doc: "the region to send from, as eu-west-1"},
			{Name: "access_key_id", Required: true, Doc: "an access key that may call sms-voice:SendTextMessage"},
			{Name: "secret_access_key", Secret: true, Required: true, Doc: "the secret of the access key"},
			{Name: "session_token", Secret: true, Doc: "of keys that lapse: the token that came with them"},
			{Name: "configuration_set", Doc: "the configuration set whose events go to topic_arn; needed for receipts"},
			{Name: "topic_arn", Doc: "the SNS topic that tells receipts; its subscription (https, signature version 2, not raw) is confirmed by this server"},
			{Name: "max_price", Doc: "the highest price of a segment in USD, as 0.12; what costs more is sent by another provider"},
		},
	}
}

// aws sends by AWS End User Messaging SMS; its receipts come by SNS.
type aws struct {
	Options
	host string
	sns  sns
}

func newAWS(o Options) (Sender, error) {
	region := o.Value("region")
	for _, s := range []struct {
		name     string
		form     *regexp.Regexp
		problem  string
		optional bool
	}{
		{"region", awsRegion, "must be a region of AWS, as eu-west-1", false},
		{"access_key_id", awsKeyID, "must be capital letters and digits", false},
		{"max_price", awsPrice, "must be an amount of USD, as 0.12", true},
		{"topic_arn", awsTopic, "must be the ARN of an SNS topic, arn:aws:sns:…", true},
		{"configuration_set", awsSet, "must be 1 to 64 letters, digits, _ and -", true},
	} {
		if v := o.Value(s.name); !s.form.MatchString(v) && (!s.optional || v != "") {
			return nil, &SettingError{Setting: s.name, Problem: s.problem}
		}
	}
	if o.Value("topic_arn") != "" && o.Value("configuration_set") == "" {
		return nil, &SettingError{Setting: "configuration_set", Problem: "must be set for topic_arn: without it the topic gets no events"}
	}
	if err := awsPlain(o).checkSenders(); err != nil {
		return nil, err
	}
	return &aws{o, awsService + "." + region + ".amazonaws.com", sns{http: o.HTTP, topic: o.Value("topic_arn")}}, nil
}

func (s *aws) Name() string     { return s.Options.Name }
func (s *aws) Kind() string     { return "aws" }
func (s *aws) Channel() Channel { return s.Options.Channel }
func (s *aws) Close() error     { return nil }

// awsMessage is the body of a sending.
type awsMessage struct {
	To         string            `json:"DestinationPhoneNumber"`
	From       string            `json:"OriginationIdentity,omitempty"`
	Text       string            `json:"MessageBody"`
	Type       string            `json:"MessageType"`
	Set        string            `json:"ConfigurationSetName,omitempty"`
	Context    map[string]string `json:"Context,omitempty"`
	TimeToLive int               `json:"TimeToLive,omitempty"`
	MaxPrice   string            `json:"MaxPrice,omitempty"`
	DryRun     bool              `json:"DryRun,omitempty"`
	Country    map[string]string `json:"DestinationCountryParameters,omitempty"`
}

// awsPlain gives the options without the senders in forms that AWS alone has, ids of
// its own and ARNs: the others are judged as everywhere.
func awsPlain(o Options) Options {
	o.From = maps.Clone(o.From)
	maps.DeleteFunc(o.From, func(_, sender string) bool { return awsSender.MatchString(sender) })
	return o
}

// Send names no sender where none is set: AWS then takes one of the account's.
func (s *aws) Send(ctx context.Context, m Message) (Sent, error) {
	body := awsMessage{
		To: m.To.E164(), From: s.Sender(m.Country), Text: m.Body.Reveal(), Type: "TRANSACTIONAL",
		Set: s.Value("configuration_set"), Context: map[string]string{"m": m.ID}, MaxPrice: s.Value("max_price"),
		TimeToLive: remaining(m, s.Now(), time.Second, 5, awsLongest),
	}
	if dlt := s.DLTOf(m); dlt != (DLT{}) {
		body.Country = map[string]string{"IN_ENTITY_ID": dlt.Entity, "IN_TEMPLATE_ID": dlt.Template}
	}
	a, err := s.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return awsAnswer(a)
}

func (s *aws) post(ctx context.Context, body awsMessage) (answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, &SendError{Class: Final, Cause: errors.New("the message cannot be written as JSON")}
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {awsTarget}}
	key := awsKey{s.Value("access_key_id"), s.Value("secret_access_key"), s.Value("session_token")}
	awsSign(header, s.host, s.Value("region"), awsService, key, s.Now(), text)
	return call(ctx, s.HTTP, http.MethodPost, "https://"+s.host+"/", header, text)
}

// awsAnswer reads an answer.
func awsAnswer(a answer) (Sent, error) {
	var said struct {
		ID     string `json:"MessageId"`
		Type   string `json:"__type"`
		Reason string `json:"Reason"`
	}
	if fine := a.decode(&said); a.success() {
		if !fine || !fitRef(said.ID) {
			return Sent{}, garbled()
		}
		return Sent{ProviderRef: said.ID}, nil
	}
	kind := said.Type[strings.LastIndexByte(said.Type, '#')+1:]
	e := a.refused(awsCodes, kind)
	if _, known := awsCodes[said.Reason]; known {
		v := awsCodes[said.Reason]
		e.Class, e.Alarm = v.class, v.alarm
	} else if strings.HasPrefix(said.Reason, awsSenderReason) {
		e.Class = Failover
	}
	e.Code = cmp.Or(cleanCode(said.Reason), e.Code)
	return Sent{}, e
}

// Check asks for a dry run, which sends nothing.
func (s *aws) Check(ctx context.Context) []Finding {
	a, err := s.post(ctx, awsMessage{
		To: awsNobody, Text: "test", Type: "TRANSACTIONAL", Set: s.Value("configuration_set"), DryRun: true,
	})
	found := probed(a, err)
	if err == nil {
		found = awsDryRun(a, found)
	}
	found = append(found, awsPlain(s.Options).settled()...)
	if s.Value("topic_arn") == "" {
		found = append(found, unguarded("configuration_set and topic_arn"))
	}
	return found
}

// awsDryRun tells what is wrong with the account by the answer to a dry run: its
// status is 400 for most, wrong keys among them.
func awsDryRun(a answer, found []Finding) []Finding {
	var refused *SendError
	if _, err := awsAnswer(a); !errors.As(err, &refused) || !refused.Alarm || a.status != http.StatusBadRequest {
		return found
	}
	switch refused.Code {
	case "UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException":
		return []Finding{found[0], {What: "credentials", Problem: "refused with " + refused.Code + "; look at the access key, its secret and permissions"}}
	default:
		return append(found, Finding{What: "account", Problem: "refused with " + cmp.Or(refused.Code, "no code") +
			"; look at the configuration set, the quotas and whether the account is in the sandbox"})
	}
}
