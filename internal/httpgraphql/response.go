package httpgraphql

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/keytag/keytag/internal/telemetry"
)

// status is that of the specification unless h.Status knows better. A response
// without a `data` member is a request error: nothing was executed.
func (h *handler) status(response *graphql.Response, media string) int {
	if h.Status != nil && (len(response.Data) == 0 || string(response.Data) == "null") {
		for _, err := range response.Errors {
			if status := h.Status(err); status != 0 {
				return status
			}
		}
	}
	if len(response.Data) == 0 && media == mediaResponse {
		return http.StatusBadRequest
	}
	return http.StatusOK
}

func (h *handler) refuse(ctx context.Context, w http.ResponseWriter, refused *refusal) {
	if refused.allow != "" {
		w.Header().Set("Allow", refused.allow)
	}
	if refused == tooLarge {
		w.Header().Set("Connection", "close") // the rest of the body is not read
	}
	h.write(ctx, w, &graphql.Response{Errors: gqlerror.List{{
		Message:    refused.message,
		Extensions: map[string]any{"code": refused.code},
	}}}, refused.status)
}

func (h *handler) write(ctx context.Context, w http.ResponseWriter, response *graphql.Response, status int) {
	errs := withRequestID(response.Errors, telemetry.RequestID(ctx))
	head, tail, err := around(errs, response)
	if err != nil {
		panic(err) // an error extension or the data of an extension is no JSON
	}
	header := w.Header()
	codes := errorCodes(errs)
	telemetry.RequestFrom(ctx).Answered(firstOf(codes))
	if len(codes) > 0 {
		list := strings.Join(codes, ",")
		header.Set("X-Cloud-Error-Codes", list)
		telemetry.Annotate(ctx, slog.String("error_codes", list))
	}
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		header.Set("Retry-After", "1")
	}
	header["Content-Length"] = []string{strconv.Itoa(len(head) + len(response.Data) + len(tail))}
	if h.BeforeWrite != nil {
		h.BeforeWrite(ctx, header)
	}
	w.WriteHeader(status)
	// In one piece, which costs less than sending several.
	body := buffers.Get().(*bytes.Buffer)
	defer putBuffer(body)
	for _, part := range [][]byte{head, response.Data, tail} {
		body.Write(part)
	}
	_, _ = w.Write(body.Bytes()) // when the client has gone, there is nobody to tell
}

// buffers are empty, and have been used before.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const kept = 64 << 10 // bytes of the largest buffer that is used again

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= kept {
		b.Reset()
		buffers.Put(b)
	}
}

// around is the JSON of the response before and behind its data, leaving out what it does not have. The
// data is already encoded, and is not read again.
func around(errs gqlerror.List, response *graphql.Response) (head, tail []byte, err error) {
	head, tail = []byte("{"), []byte("}")
	if len(errs) > 0 {
		encoded, err := json.Marshal(errs)
		if err != nil {
			return nil, nil, err
		}
		head = append(append(head, `"errors":`...), encoded...)
	}
	if len(response.Data) > 0 || len(errs) == 0 {
		if len(errs) > 0 {
			head = append(head, ',')
		}
		head = append(head, `"data":`...)
		if len(response.Data) == 0 {
			head = append(head, "null"...)
		}
	}
	if len(response.Extensions) > 0 {
		encoded, err := json.Marshal(response.Extensions)
		if err != nil {
			return nil, nil, err
		}
		tail = append(append([]byte(`,"extensions":`), encoded...), '}')
	}
	return head, tail, nil
}

// withRequestID adds the id to copies of the errors that do not have it yet.
func withRequestID(errs gqlerror.List, id string) gqlerror.List {
	if id == "" {
		return errs
	}
	marked := make(gqlerror.List, len(errs))
	for i, err := range errs {
		if _, has := err.Extensions["requestId"]; !has {
			extensions := map[string]any{"requestId": id}
			maps.Copy(extensions, err.Extensions)
			withID := *err
			withID.Extensions = extensions
			err = &withID
		}
		marked[i] = err
	}
	return marked
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

var errorCode = regexp.MustCompile(`^[0-9A-Za-z_.-]{1,64}$`)

// errorCodes are the distinct codes in the order of their errors.
func errorCodes(errs gqlerror.List) []string {
	var codes []string
	for _, err := range errs {
		code, _ := err.Extensions["code"].(string)
		if errorCode.MatchString(code) && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}
