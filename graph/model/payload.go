package model

import (
	"github.com/keytag/keytag/internal/alert"
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

// SetRotationSchedulePayload is what became of setRotationSchedule.
type SetRotationSchedulePayload struct {
	keys.Scheduled
	UserErrors []fault.UserError
}

// TestRotationWebhookPayload is what came back from testRotationWebhook.
type TestRotationWebhookPayload struct {
	keys.Tried
	UserErrors []fault.UserError
}

// SetAPIKeyNotificationPayload is what became of setApiKeyNotification or cancelApiKeyNotification.
type SetAPIKeyNotificationPayload struct {
	alert.Notified
	UserErrors []fault.UserError
}

// CancelAlertJobPayload is what became of cancelAlertJob.
type CancelAlertJobPayload struct {
	alert.Worked
	UserErrors []fault.UserError
}

// AlertSourcePayload is what became of a change of an alert source.
type AlertSourcePayload struct {
	alert.Sourced
	UserErrors []fault.UserError
}
