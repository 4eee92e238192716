// Package fault holds the kinds of error that may reach a caller. Everything else is a fault of
// ours and is masked by the doors.
package fault

import (
	"errors"
	"strings"
	"time"
)

// UserError is something the caller can correct by changing the input; it is answered as data in
// `userErrors`. Concrete types embed Detail.
type UserError interface {
	error
	Describe() Detail
}

// Detail is what every UserError says.
type Detail struct {
	// Code is dotted and stable, e.g. `api_keys.expiry_out_of_range`.
	Code    string
	Message string
	// Fields are the input fields concerned, e.g. `expiresAt`.
	Fields []string
}

func (d Detail) Error() string    { return d.Message }
func (d Detail) Describe() Detail { return d }

// InputError is a UserError without data of its own.
type InputError struct{ Detail }

// Input returns an InputError on the given fields.
func Input(code, message string, fields ...string) *InputError {
	if fields == nil {
		fields = []string{}
	}
	return &InputError{Detail{Code: code, Message: message, Fields: fields}}
}

// Invalid is an input value outside what is allowed; message says what is.
func Invalid(message string, fields ...string) *InputError {
	return Input("input.invalid", message, fields...)
}

// NotFound is the answer for a thing that is missing and for one that the caller may not see: the
// two are told apart nowhere.
func NotFound(what string, fields ...string) *InputError {
	return Input("not_found", what+" not found", fields...)
}

// List is several user errors of one operation.
type List []UserError

func (l List) Error() string {
	texts := make([]string, len(l))
	for i, e := range l {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// OrNil returns the list as an error, nil when it is empty.
func (l List) OrNil() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Split parts err into user errors and the rest; one of the two is empty. The list is never nil.
func Split(err error) (List, error) {
	var list List
	var one UserError
	switch {
	case err == nil:
		return List{}, nil
	case errors.As(err, &list):
		return list, nil
	case errors.As(err, &one):
		return List{one}, nil
	}
	return List{}, err
}

// Error is a request that cannot run: unauthenticated, forbidden, beyond a limit. It is answered
// in `errors[]` with its code.
type Error struct {
	Code    string
	Message string
	Fields  []string
	// At is the instant the message speaks of, e.g. when the key ended.
	At *time.Time
}

func (e *Error) Error() string { return e.Message }

// Codes of Error that the doors answer with a status of their own.
const (
	CodeUnauthenticated = "auth.unauthenticated"
	CodeForbidden       = "auth.forbidden"
	CodeUnavailable     = "auth.unavailable"
	CodeProbe           = "probe.not_allowed"
	CodeRateLimited     = "request.rate_limited"
)

// Unauthenticated is the answer to a request without a key where one is needed.
func Unauthenticated() *Error {
	return &Error{Code: CodeUnauthenticated, Message: "authenticate with an API key: Authorization: Bearer <key>"}
}

// Forbidden is the answer to a caller who lacks a right.
func Forbidden(message string) *Error {
	return &Error{Code: CodeForbidden, Message: message}
}
