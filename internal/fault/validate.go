package fault

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
)

var validate = func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	// The GraphQL name of a Go field: ProjectID is projectId.
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name := strings.ReplaceAll(f.Name, "ID", "Id")
		return strings.ToLower(name[:1]) + name[1:]
	})
	for tag, rule := range map[string]func(string) bool{
		"scope":     scope.Valid,
		"printable": printable,
		"zone":      func(name string) bool { _, ok := lifecycle.Zone(name); return ok },
	} {
		if err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool { return rule(f.Field().String()) }); err != nil {
			panic(err)
		}
	}
	return v
}()

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) && !secret.In(s)
}

// Validate checks the `validate` tags of an input struct and returns its violations as a List of
// InputErrors, each naming the field and what is allowed; nil when there is none.
func Validate(input any) error {
	err := validate.Struct(input)
	var violations validator.ValidationErrors
	if !errors.As(err, &violations) {
		return err
	}
	list := make(List, len(violations))
	for i, v := range violations {
		// The namespace is Type.field[.field…], of a type without a name .field…; callers know the
		// path below the type.
		path := strings.TrimPrefix(v.Namespace(), reflect.TypeOf(input).Name()+".")
		list[i] = Invalid(path+" "+allowed(v), path)
	}
	return list
}

func allowed(v validator.FieldError) string {
	unit := "characters"
	if k := v.Kind(); k == reflect.Slice || k == reflect.Map {
		unit = "entries"
	}
	switch v.Tag() {
	case "required":
		return "must not be empty"
	case "min":
		return fmt.Sprintf("must have at least %s %s", v.Param(), unit)
	case "max":
		return fmt.Sprintf("must have at most %s %s", v.Param(), unit)
	case "email":
		return "must be an e-mail address"
	case "zone":
		return "must be an IANA time zone such as Europe/Amsterdam"
	case "scope":
		return "must be segments of [a-z0-9][a-z0-9._-]* joined by ':', at most 128 characters, of which the last may be '*'"
	case "printable":
		return "must not hold control characters, nor an API key"
	}
	return "is not allowed (" + v.Tag() + ")"
}
