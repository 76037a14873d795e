package event

import "time"

// Series is what events are counted by for operators: only values of closed
// sets, so that their number is bounded. An absent member is "".
type Series struct {
	Name     Name
	Method   string
	Outcome  Outcome
	Reason   string // OtherReason where it is no word of the house
	Country  string
	Provider string
}

// OtherReason stands for every reason that is free text.
const OtherReason = "other"

// Rollup is how often a series was seen in one minute.
type Rollup struct {
	Minute time.Time // its beginning, UTC
	Series Series
	N      int64
}

// SeriesOf gives the series that an event is counted in. What is in no closed
// set counts as OtherReason, and a country that is not two capital letters as
// none.
func SeriesOf(e Event, providers Providers) Series {
	s := Series{
		Name: oneOf(names, e.Name), Method: oneOf(methodWords, e.Method), Outcome: oneOf(outcomes, e.Outcome),
		Country: country(e.Attributes), Provider: oneOf(providers, text(e.Attributes, "provider")),
	}
	switch e.Name {
	case RateLimited:
		s.Reason = oneOf(limitWords, e.Reason)
	case Alert:
		s.Reason = oneOf(alertWords, e.Reason)
	default:
		s.Reason = oneOf(reasonWords, e.Reason)
	}
	return s
}

// SignIn tells whether what is counted here is a try to sign in, right or
// wrong. A code is one whatever it was for: events do not tell.
func (s Series) SignIn() bool {
	switch s.Name {
	case SuccessfulLogin, FailedLogin, CodeFailed, CodeRefused:
		return true
	}
	return false
}

// Redeemed tells whether a right code is counted here.
func (s Series) Redeemed() bool {
	switch s.Name {
	case SuccessfulLogin, Reauthenticated, PhoneNumberChanged:
		return s.Method == "sms" && s.Outcome == Success
	}
	return false
}

// country is the attribute of that name, if it is one.
func country(a Attributes) string {
	c := text(a, "country")
	if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
		return ""
	}
	return c
}

func text(a Attributes, key string) string {
	s, _ := a[key].(string)
	return s
}
