package server

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/locale"
)

// Check tells what is wrong with settings that can be seen without opening
// anything, beyond what config.Load refuses.
func Check(c config.Config) error {
	_, err := textsOf(c)
	return errors.Join(err, checkProviders(c, Options{}))
}

// longestTemplates is the largest file of message texts that is read, in bytes.
const longestTemplates = 1 << 20

// textsOf are the texts of messages: the operator's own before the built-in ones.
// Its error names the setting.
func textsOf(c config.Config) (locale.Texts, error) {
	if c.SMSTemplates == "" {
		return locale.Texts{}, nil
	}
	refuse := func(err error) (locale.Texts, error) {
		return locale.Texts{}, fmt.Errorf("sms_templates = %s: %w", c.SMSTemplates, err)
	}
	info, err := os.Stat(c.SMSTemplates)
	if err == nil && info.Size() > longestTemplates {
		err = fmt.Errorf("is larger than %d bytes", longestTemplates)
	}
	if err != nil {
		return refuse(err)
	}
	text, err := os.ReadFile(c.SMSTemplates)
	if err != nil {
		return refuse(err)
	}
	texts, err := locale.ReadTemplates(text, locale.Vars{
		App: c.AppName, Code: "12345678", Host: urlHost(c.PublicURL), Minutes: int(c.CodeTTL / time.Minute),
	})
	if err != nil {
		return refuse(err)
	}
	return texts, nil
}
