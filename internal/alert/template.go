package alert

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/secret"
)

// variables are what a template may name, as `{{keyName}}`. None leads to a secret.
var variables = []string{
	"keyName", "keyDescription", "keyPrefix", "keyId", "ownerLogin", "ownerName",
	"projectName", "environmentName", "status", "endsAt", "endsBecause", "details", "serverUrl",
}

const (
	defaultMessage = "API key {{keyName}} ({{keyPrefix}}) of {{ownerName}}: {{details}}."
	defaultSubject = "API key {{keyName}}: {{details}}"
	defaultBody    = "This is about the API key {{keyName}} ({{keyPrefix}}) of {{ownerName}} in the project {{projectName}}.\n\n{{details}}.\n\n{{serverUrl}}"

	maxTemplate = 10_000
)

var variable = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// checkTemplate tells what of a template cannot be filled in, before anybody depends on it.
func checkTemplate(field, text string) fault.UserError {
	if len(text) > maxTemplate || strings.TrimSpace(text) == "" {
		return fault.Invalid(field+" must not be blank, and have at most 10000 bytes", field)
	}
	if strings.ContainsFunc(text, unprintable) {
		return fault.Invalid(field+" must not hold control characters", field)
	}
	if secret.In(text) {
		return fault.Invalid(field+" must not hold an API key", field)
	}
	rest := variable.ReplaceAllStringFunc(text, func(found string) string {
		if slices.Contains(variables, variable.FindStringSubmatch(found)[1]) {
			return ""
		}
		return found
	})
	if strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		return fault.Invalid(field+" may name {{"+strings.Join(variables, "}}, {{")+"}}; it names something else", field)
	}
	return nil
}

func unprintable(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\t\r", r) }

// fill puts the values into a template that checkTemplate let through, or if that leaves nothing to read
// into another: an alert says something.
func fill(template, otherwise string, values map[string]string) string {
	filled := variable.ReplaceAllStringFunc(template, func(found string) string {
		return values[variable.FindStringSubmatch(found)[1]]
	})
	if oneLine(filled) == "" {
		return fill(otherwise, defaultMessage, values)
	}
	return filled
}

// values are what templates about a key show at an instant, in its owner's time zone. The key's owner,
// project and environment must be loaded.
func (a *Alerts) values(key *db.APIKey, now time.Time) map[string]string {
	zone := zoneOf(key.Edges.Owner)
	view := keys.ViewIn(key, now, zone)
	details, err := view.Details(nil)
	if err != nil {
		panic(err) // only for a time zone that was asked for
	}
	v := map[string]string{
		"keyName":        key.Name,
		"keyDescription": key.Description,
		"keyPrefix":      key.KeyPrefix,
		"keyId":          key.ID,
		"ownerLogin":     key.Edges.Owner.Login,
		"ownerName":      key.Edges.Owner.DisplayName,
		"projectName":    key.Edges.Project.Name,
		"status":         string(view.Status()),
		"details":        details.Message,
		"serverUrl":      a.url,
	}
	if e := key.Edges.Environment; e != nil {
		v["environmentName"] = e.Name
	}
	if end := view.EffectiveExpiresAt(); end != nil {
		v["endsAt"] = end.In(zone).Format(time.RFC3339)
	}
	if because := view.EndsBecause(); because != nil {
		v["endsBecause"] = string(*because)
	}
	return v
}

// afterEnd is added to an alert about a key that has ended by the time it is raised.
func afterEnd(key *db.APIKey, now time.Time) string {
	view := keys.ViewIn(key, now, zoneOf(key.Edges.Owner))
	if !view.Status().Ended() {
		return ""
	}
	details, err := view.Details(nil)
	if err != nil {
		panic(err) // only for a time zone that was asked for
	}
	return "\n\nThe key has ended already. " + details.Message + "."
}

// oneLine is a text that can be a subject: header fields have one line, and no control characters.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
