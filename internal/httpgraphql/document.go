package httpgraphql

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/internal/telemetry"
)

const (
	maxErrors  = 20  // of one document; a small one can hold thousands
	maxMessage = 300 // bytes of text that repeats names of the document
)

// The parser and the validator repeat string literals and variable values in
// their messages; either may be a secret. What follows takes them out, and gives
// the errors our codes.

func explainSyntax(err error) *gqlerror.Error {
	located := locate(err)
	return about(located, CodeParseFailed, withoutTokens(located.Message))
}

func explainInvalid(errs gqlerror.List) gqlerror.List {
	explained := make(gqlerror.List, 0, len(errs))
	for _, err := range errs {
		code := CodeValidationFailed
		if err.Rule == secretsAreVariables.Name {
			code = CodeSecretInDocument
		}
		explained = append(explained, about(err, code, withoutLiterals(err.Message)))
	}
	return explained
}

// noOperation is about a document that has none of this name, or several and none was named.
func noOperation(name string) *gqlerror.Error {
	if name == "" {
		return invalid(nil, "The document holds several operations; choose one with `operationName`.")
	}
	return invalid(nil, "The document holds no operation with the name given in `operationName`.")
}

func explainVariable(err error) *gqlerror.Error {
	located := locate(err)
	path := variablePath(located.Path)
	explained := invalid(located.Locations, fmt.Sprintf("Variable `$%s` %s.", path, variableProblem(located.Message)))
	explained.Extensions["fields"] = []string{path}
	return explained
}

// locate is an error of the parser or the validator, which are of this type.
func locate(err error) *gqlerror.Error {
	located := (*gqlerror.Error)(nil)
	if !errors.As(err, &located) {
		return &gqlerror.Error{}
	}
	return located
}

func invalid(at []gqlerror.Location, message string) *gqlerror.Error {
	return about(&gqlerror.Error{Locations: at}, CodeValidationFailed, message)
}

// about is a request error: it has places in the document but no path, which
// would be one in a response (GraphQL §7.1.2).
func about(err *gqlerror.Error, code, message string) *gqlerror.Error {
	return &gqlerror.Error{
		Message:    shorten(telemetry.Redact(message), maxMessage),
		Locations:  err.Locations,
		Extensions: map[string]any{"code": code},
	}
}

var (
	tokenValue = regexp.MustCompile(`(?s)\b(String|BlockString|Int|Float|Comment) ".*`)
	escape     = regexp.MustCompile(`(?s)^(Invalid character escape sequence): .*`)
)

// withoutTokens cuts literal values off a message of the parser. Names stay:
// they show where the typing error is.
func withoutTokens(message string) string {
	if message == "Unexpected <Invalid>" {
		return "Unexpected character, or a string that is not closed or has a wrong escape"
	}
	return escape.ReplaceAllString(tokenValue.ReplaceAllString(message, "$1"), "$1.")
}

var literal = regexp.MustCompile(`(?s)( value): .*|, found .*`)

// withoutLiterals cuts the literal off a message of the validator, where it
// follows the type that was expected.
func withoutLiterals(message string) string {
	return literal.ReplaceAllString(message, "$1.")
}

// variableProblems turn the validator's words on a variable, which may repeat
// the value and speak of Go's types, into ours.
var variableProblems = []struct {
	pattern *regexp.Regexp
	problem string
}{
	{regexp.MustCompile(`(?s)^.* is not a valid (\w+)$`), "must be a value of the enum $1"},
	{regexp.MustCompile(`^enums must be .*$`), "must be a value of its enum"},
	{regexp.MustCompile(`(?s)^cannot use .* as (\w+)$`), "must be of type $1"},
	{regexp.MustCompile(`^must be a (\w+), not a \w+$`), "must be an object of type $1"},
	{regexp.MustCompile(`^cannot be null$`), "must not be null"},
	{regexp.MustCompile(`^must be defined$`), "is required"},
	{regexp.MustCompile(`^unknown field$`), "is no field of its input type"},
}

func variableProblem(message string) string {
	for _, p := range variableProblems {
		if p.pattern.MatchString(message) {
			return p.pattern.ReplaceAllString(message, p.problem)
		}
	}
	return "does not fit its type"
}

var name = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]*$`)

// variablePath writes where in the variables an error lies: `input.scopes[2]`.
// What is no GraphQL name is left out, since it came from the variables' values.
func variablePath(path ast.Path) string {
	if len(path) > 0 {
		path = path[1:] // the validator begins every path with the word `variable`
	}
	var text strings.Builder
	for i, element := range path {
		switch element := element.(type) {
		case ast.PathIndex:
			fmt.Fprintf(&text, "[%d]", element)
		case ast.PathName:
			if i > 0 {
				text.WriteByte('.')
			}
			if len(element) <= 64 && name.MatchString(string(element)) {
				text.WriteString(telemetry.Redact(string(element)))
			} else {
				text.WriteString("…")
			}
		}
	}
	return text.String()
}

// shorten cuts text to at most limit bytes and an ellipsis. Text of the client is redacted before it
// is cut: nothing recognises half a key.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
