package oauth

import (
	"errors"
	"net/http"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

// Error is the answer to a request that failed (RFC 6749 5.2).
type Error struct {
	Error       string `json:"error" jsonschema:"the error's word"`
	Description string `json:"error_description" jsonschema:"what it means, for people"`
}

// fail answers a request that was refused. What is not the client's fault is
// a problem: these standards have no words for it.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *dialect.Refusal
	if !errors.As(err, &refusal) {
		dialect.Fail(w, r, err)
		return
	}
	description := "The request cannot be read."
	switch refusal.Code {
	case dialect.CodeUnsupportedMediaType:
		description = "The body has to be application/x-www-form-urlencoded in UTF-8, not encoded."
	case dialect.CodeContentTooLarge:
		description = "The body is too large."
	case core.CodeInvalidRequest:
		description = refusal.Errors[0].Message
	}
	status := dialect.StatusOf(refusal.Code)
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest
	}
	dialect.WriteJSON(w, status, "application/json", Error{"invalid_request", description})
}

// invalid refuses a request for the reason given.
func invalid(location, message string) error {
	return &dialect.Refusal{
		Code: core.CodeInvalidRequest, Errors: []dialect.Located{{Location: location, Message: message}},
	}
}
