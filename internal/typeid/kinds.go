package typeid

import (
	"fmt"

	"github.com/keytag/keytag/internal/fault"
)

// The kinds of id that callers meet.
const (
	Organization = "org"
	User         = "usr"
	Project      = "prj"
	Environment  = "env"
	APIKey       = "key"
	KeyFamily    = "fam"
	AuditEvent   = "aud"
	Notification = "ntf"
	AlertJob     = "job"
	AlertSource  = "src"
	Message      = "msg"
	Rotation     = "rot"
)

var nouns = map[string]string{
	Organization: "an organization",
	User:         "a user",
	Project:      "a project",
	Environment:  "an environment",
	APIKey:       "an API key",
	KeyFamily:    "a rotation family",
	AuditEvent:   "an audit event",
	Notification: "a notification",
	AlertJob:     "an alert job",
	AlertSource:  "an alert source",
	Message:      "an operator message",
	Rotation:     "a rotation",
}

// Want answers a user error on field unless every id is a well-formed one of the kind.
func Want(kind, field string, ids ...string) error {
	for _, id := range ids {
		if !Check(kind, id) {
			return fault.Invalid(fmt.Sprintf("%s must be the id of %s: %s_ and %d characters", field, nouns[kind], kind, suffixLength), field)
		}
	}
	return nil
}
