package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/httpgraphql"
	"github.com/keytag/keytag/internal/telemetry"
)

// codeInternal marks a fault of ours; what it was stands in the log under the request id.
const codeInternal = "internal"

// presenter maps every error outward, in one place: what a caller may know keeps its code, anything
// else is logged and masked.
func presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var path ast.Path
		var located *gqlerror.Error
		if errors.As(err, &located) {
			path = located.Path
			if located.Err == nil && located.Extensions["code"] != nil {
				return located // the transport made it
			}
		}
		var cannot *fault.Error
		if errors.As(err, &cannot) {
			deny(ctx, cannot.Code)
			return present(path, cannot.Code, cannot.Message, cannot.Fields, cannot.At)
		}
		if list, _ := fault.Split(err); len(list) > 0 {
			return presentInput(ctx, path, list)
		}
		if place, argument := argumentPath(ctx, path); located != nil && argument != "" {
			// A literal that the document's validation lets through, such as {} for a number.
			return present(place, "input.invalid", argument+" is not a value of its type", []string{argument}, nil)
		}
		switch ctx.Err() {
		case context.Canceled:
			return present(path, httpgraphql.CodeInterrupted, "the request was given up", nil, nil)
		case context.DeadlineExceeded:
			log.WarnContext(ctx, "timed out", "error", err, "path", path.String(), "request_id", telemetry.RequestID(ctx))
			return present(path, httpgraphql.CodeTimedOut, fmt.Sprintf("the query takes longer than %s; ask for less", timeout), nil, nil)
		}
		log.ErrorContext(ctx, "fault", "error", err, "path", path.String(), "request_id", telemetry.RequestID(ctx))
		return present(path, codeInternal, "internal error; the server's log tells more under the request id", nil, nil)
	}
}

func present(path ast.Path, code, message string, fields []string, at *time.Time) *gqlerror.Error {
	extensions := map[string]any{"code": code, "fields": append([]string{}, fields...)}
	if at != nil {
		extensions["at"] = at.Format(time.RFC3339Nano)
	}
	return &gqlerror.Error{Message: message, Path: path, Extensions: extensions}
}

// presentInput shows errors in the arguments of a field that has no payload to put them in. What a
// scalar refused carries no field name: its place in the arguments is one.
func presentInput(ctx context.Context, path ast.Path, list fault.List) *gqlerror.Error {
	first := list[0].Describe()
	var fields []string
	for _, e := range list {
		fields = append(fields, e.Describe().Fields...)
	}
	message := list.Error()
	if place, argument := argumentPath(ctx, path); len(fields) == 0 && argument != "" {
		return present(place, first.Code, argument+" "+message, []string{argument}, nil)
	}
	return present(path, first.Code, message, fields, nil)
}

// argumentPath parts the path of a refused value into that of the field and the value's name in its
// arguments, without the `input` around it.
func argumentPath(ctx context.Context, path ast.Path) (ast.Path, string) {
	field := graphql.GetFieldContext(ctx)
	if field == nil || len(path) <= len(field.Path()) {
		return path, ""
	}
	place := field.Path()
	var name strings.Builder
	for _, step := range path[len(place):] {
		switch step := step.(type) {
		case ast.PathName:
			if name.Len() > 0 {
				name.WriteByte('.')
			}
			name.WriteString(string(step))
		case ast.PathIndex:
			fmt.Fprintf(&name, "[%d]", int(step))
		}
	}
	return place, strings.TrimPrefix(name.String(), "input.")
}

// statusOf is the HTTP status of a response whose request could not run at all.
func statusOf(err *gqlerror.Error) int {
	switch code, _ := err.Extensions["code"].(string); code {
	case "api_keys.invalid", "api_keys.expired", "api_keys.inactive", "api_keys.grace_ended",
		"api_keys.revoked", "api_keys.suspended", "api_keys.not_active":
		return http.StatusUnauthorized
	case "auth.owner_disabled", "auth.owner_not_privileged", "auth.ip_not_allowed":
		return http.StatusForbidden
	case "auth.ambiguous", fault.CodeProbe:
		return http.StatusBadRequest
	case fault.CodeRateLimited:
		return http.StatusTooManyRequests
	case fault.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return 0
}
