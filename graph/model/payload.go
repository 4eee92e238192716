package model

import (
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
)

// CreateAPIKeyPayload is what became of createApiKey.
type CreateAPIKeyPayload struct {
	keys.Issued
	UserErrors []fault.UserError
}

// RotateAPIKeyPayload is what became of a rotation.
type RotateAPIKeyPayload struct {
	keys.Rotated
	UserErrors []fault.UserError
}

// VerifyAPIKeyPayload is whether a presented key is good for what was asked.
type VerifyAPIKeyPayload struct {
	keys.Verification
	UserErrors []fault.UserError
}
