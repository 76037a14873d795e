package keyring

// Label names one use of a key. Each label has a sub-key of its own, so that
// what was made for one use means nothing to another (CHECKLIST C-89, C-91).
type Label string

// The uses. Their values are part of what is stored: never change one.
const (
	LabelCode        Label = "code"        // the MAC of a challenge's code
	LabelRefresh     Label = "refresh"     // refresh tokens
	LabelDevice      Label = "device"      // device tokens
	LabelCursor      Label = "cursor"      // page cursors
	LabelChain       Label = "chain"       // the event file's chain
	LabelIdempotency Label = "idempotency" // Idempotency-Key and body hashes
	LabelPhone       Label = "phone"       // sealed phone numbers
	LabelSecret      Label = "secret"      // session secrets, derived and sealed
	LabelMessage     Label = "message"     // sealed message texts
	LabelNetwork     Label = "network"     // hashes of addresses and networks
	LabelCaptcha     Label = "captcha"     // signatures of proofs of work

	labelStoredKey Label = "stored key"
	labelKeyID     Label = "key id"
	labelPseudonym Label = "pseudonym"
	labelPepper    Label = "pepper"
	labelLimiter   Label = "limiter"
)

// labels are those whose sub-keys are made ahead; another label works too, but
// is derived anew at each use.
var labels = [...]Label{
	LabelCode, LabelRefresh, LabelDevice, LabelCursor, LabelChain, LabelIdempotency,
	LabelPhone, LabelSecret, LabelMessage, LabelNetwork, LabelCaptcha,
	labelStoredKey, labelPseudonym, labelPepper, labelLimiter,
}
