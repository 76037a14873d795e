package gateway

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
)

var (
	twilioTemplate = regexp.MustCompile(`^HX[0-9a-f]{32}$`)
	twilioWhich    = regexp.MustCompile(`^([a-z][a-z_]*|\*)(/[A-Za-z0-9-]{2,35})?$`)
)

// twilioContent reads the templates of WhatsApp.
func (o Options) twilioContent() (map[string]string, error) {
	text := o.Value("content_sids")
	if o.Channel != WhatsApp {
		if text != "" {
			return nil, &SettingError{Setting: "content_sids", Problem: "is of the channel whatsapp alone"}
		}
		return nil, nil
	}
	content := map[string]string{}
	for entry := range strings.SplitSeq(text, ",") {
		which, sid, _ := strings.Cut(strings.TrimSpace(entry), "=")
		if !twilioWhich.MatchString(which) || !twilioTemplate.MatchString(sid) {
			return nil, &SettingError{Setting: "content_sids", Problem: "must be set for whatsapp, as login=HX…,login/de=HX…,*=HX…: purpose, purpose/locale, */locale or *, and HX with 32 hexadecimal digits"}
		}
		if _, twice := content[which]; twice {
			return nil, &SettingError{Setting: "content_sids", Problem: "names " + which + " twice"}
		}
		content[which] = sid
	}
	return content, nil
}

// template finds that of a message: by its purpose before any, and by its locale,
// then its language, before all.
func (t *twilio) template(m Message) string {
	language, _, _ := strings.Cut(m.Locale, "-")
	for _, purpose := range []string{m.Purpose, "*"} {
		for _, which := range []string{purpose + "/" + m.Locale, purpose + "/" + language, purpose} {
			if sid := t.content[which]; sid != "" {
				return sid
			}
		}
	}
	return ""
}

// fillTemplate makes a form one of WhatsApp, where only approved templates reach
// who has not written first.
func (t *twilio) fillTemplate(form url.Values, m Message) error {
	sid := t.template(m)
	if sid == "" {
		return &SendError{Class: Failover, Code: "no_template", Cause: errors.New("no template is set for the purpose")}
	}
	form.Set("To", "whatsapp:"+form.Get("To"))
	if form.Has("From") {
		form.Set("From", "whatsapp:"+form.Get("From"))
	}
	form.Set("ContentSid", sid)
	if m.Code != "" {
		variables, err := json.Marshal(map[string]string{"1": m.Code.Reveal()})
		if err != nil {
			return &SendError{Class: Final, Cause: errors.New("the code cannot be written as JSON")}
		}
		form.Set("ContentVariables", string(variables))
	}
	return nil
}
