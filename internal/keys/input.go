package keys

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/secret"
)

const (
	maxName        = 200
	maxDescription = 2000
	maxNote        = 1000
	maxScopes      = 100
)

// label trims a name or description and brings it to NFC. A blank, overlong or unprintable one is a
// user error on field.
func label(field, text string, most int) (string, fault.UserError) {
	text = norm.NFC.String(strings.TrimSpace(text))
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable):
		return "", fault.Invalid(field+" must not hold control characters", field)
	case secret.In(text):
		return "", fault.Invalid(field+" must not hold an API key", field)
	case text == "":
		return "", fault.Invalid(field+" must not be blank", field)
	case utf8.RuneCountInString(text) > most:
		return "", tooLong(field, most)
	}
	return text, nil
}

func unprintable(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
}

// labels resolves name and description, each of which stands in for the other.
func labels(name, description *string) (string, string, fault.List) {
	var faults fault.List
	switch {
	case name == nil && description == nil:
		return "", "", fault.List{fault.Invalid("give a name, a description, or both", "name", "description")}
	case name == nil:
		text, err := label("description", *description, maxDescription)
		if err != nil {
			return "", "", fault.List{err}
		}
		return shorten(text), text, nil
	case description == nil:
		text, err := label("name", *name, maxName)
		if err != nil {
			return "", "", fault.List{err}
		}
		return text, text, nil
	}
	n, err := label("name", *name, maxName)
	if err != nil {
		faults = append(faults, err)
	}
	d, err := label("description", *description, maxDescription)
	if err != nil {
		faults = append(faults, err)
	}
	return n, d, faults
}

// shorten makes a name of a description that is longer than a name may be.
func shorten(text string) string {
	runes := []rune(text)
	if len(runes) <= maxName {
		return text
	}
	return strings.TrimSpace(string(runes[:maxName-1])) + "…"
}

// normalised is the form in which descriptions are compared: trimmed, NFC, runs of white space as
// one space; case counts.
func normalised(description string) string {
	return strings.Join(strings.Fields(norm.NFC.String(description)), " ")
}

func tooLong(field string, most int) fault.UserError {
	return fault.Invalid(fmt.Sprintf("%s must have at most %d characters", field, most), field)
}

func tooMany(field string, most int) fault.UserError {
	return fault.Invalid(fmt.Sprintf("%s must have at most %d entries", field, most), field)
}
