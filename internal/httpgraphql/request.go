package httpgraphql

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"
)

// refusal is a request that is answered without asking GraphQL.
type refusal struct {
	status  int
	code    string
	message string
	allow   string // value of the Allow header, if any
}

var (
	notAcceptable = &refusal{status: http.StatusNotAcceptable, code: CodeNotAcceptable,
		message: "The Accept header must allow " + mediaJSON + " or " + mediaResponse + "."}
	queriesOnly = &refusal{status: http.StatusMethodNotAllowed, code: CodeMethod, allow: "POST",
		message: "A GET request may only run a query; send this operation with POST."}
	wrongMethod = &refusal{status: http.StatusMethodNotAllowed, code: CodeMethod, allow: "GET, HEAD, POST",
		message: "GraphQL is served to GET and POST requests."}
	wrongMedia = &refusal{status: http.StatusUnsupportedMediaType, code: CodeMediaType,
		message: "The body must have the Content-Type " + mediaJSON + ", be encoded in UTF-8 and not be compressed."}
	tooLarge = &refusal{status: http.StatusRequestEntityTooLarge, code: CodeTooLarge,
		message: fmt.Sprintf("The body must not be larger than %d bytes.", MaxBody)}
	interrupted = &refusal{status: http.StatusServiceUnavailable, code: CodeInterrupted,
		message: "The request was given up before it was answered."}
)

func malformed(format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: CodeMalformed, message: fmt.Sprintf(format, args...)}
}

// parameters of a GraphQL request.
var parameters = []string{"query", "operationName", "variables", "extensions"}

// read takes the parameters of the GraphQL request out of the HTTP request.
func read(w http.ResponseWriter, r *http.Request, l Limits) (*graphql.RawParams, *refusal) {
	switch r.Method {
	case http.MethodPost:
		return readBody(w, r, l)
	case http.MethodGet, http.MethodHead:
		return decodeQueryString(r.URL.RawQuery, l)
	}
	return nil, wrongMethod
}

func readBody(w http.ResponseWriter, r *http.Request, l Limits) (*graphql.RawParams, *refusal) {
	if !isJSON(r.Header) {
		return nil, wrongMedia
	}
	if r.ContentLength > MaxBody {
		return nil, tooLarge
	}
	reader := r.Body
	if r.ContentLength < 0 {
		reader = http.MaxBytesReader(w, reader, MaxBody)
	}
	body := buffers.Get().(*bytes.Buffer)
	defer putBuffer(body)
	// It reads on until there is no more; what a client has only announced takes no memory.
	body.Grow(int(min(max(r.ContentLength, 0), 16<<10)) + bytes.MinRead)
	_, err := body.ReadFrom(reader)
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, malformed("The body ended before it was complete.")
	}
	return decodeBody(body.Bytes(), l)
}

func isJSON(header http.Header) bool {
	values := header.Values("Content-Type")
	if len(values) != 1 || header.Get("Content-Encoding") != "" {
		return false
	}
	if values[0] == mediaJSON {
		return true
	}
	media, parameters, err := mime.ParseMediaType(values[0])
	return err == nil && media == mediaJSON && utf8Charset(parameters)
}

// decoders read JSON as RFC 8259 has it, with each name only once in an object.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// decodeBody reads exactly one JSON object. Names count to the letter; members
// that the specification does not know are ignored, as it leaves them to later
// versions.
func decodeBody(body []byte, l Limits) (*graphql.RawParams, *refusal) {
	if !utf8.Valid(body) {
		return nil, malformed("The body must be valid UTF-8.")
	}
	if refused := l.values(body); refused != nil {
		return nil, refused
	}
	decoder := decoders.Get().(*jsontext.Decoder)
	defer func() {
		decoder.Reset(http.NoBody) // what was in the body may be secret
		decoders.Put(decoder)
	}()
	// It reads of such a buffer without copying. Half a surrogate pair, which only an escape can be now, is U+FFFD.
	decoder.Reset(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true))
	if decoder.PeekKind() != '{' {
		return nil, malformed("The body must be one JSON object.")
	}
	params, hasQuery := new(graphql.RawParams), false
	for token, err := decoder.ReadToken(); ; token, err = decoder.ReadToken() {
		if err != nil {
			return nil, notJSON(err, decoder)
		}
		if token.Kind() == '}' {
			break
		}
		if token.Kind() == '{' {
			continue
		}
		member := token.String()
		if !slices.Contains(parameters, member) {
			if _, err := decoder.ReadValue(); err != nil {
				return nil, notJSON(err, decoder)
			}
			continue
		}
		value, err := decodeMember(decoder)
		if err != nil {
			return nil, notJSON(err, decoder)
		}
		hasQuery = hasQuery || member == "query"
		if refused := set(params, member, value); refused != nil {
			return nil, refused
		}
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, malformed("The body must be one JSON object and nothing after it.")
	}
	return complete(params, hasQuery)
}

// decodeMember reads a value, all of it into one of Go's unless it is text.
func decodeMember(decoder *jsontext.Decoder) (any, error) {
	if decoder.PeekKind() == '"' {
		token, err := decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		return token.String(), nil
	}
	text, err := decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	return decodeValue(text)
}

func notJSON(err error, decoder *jsontext.Decoder) *refusal {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return malformed("A member of the body is given twice.")
	}
	return malformed("The body is not valid JSON after byte %d.", decoder.InputOffset())
}

// decodeQueryString reads the parameters of a GET request, which may stand
// there once each. Everything else in the query string is ignored.
func decodeQueryString(text string, l Limits) (*graphql.RawParams, *refusal) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, malformed("The query string must be URL-encoded.")
	}
	params := new(graphql.RawParams)
	for _, name := range parameters {
		given := values[name]
		if len(given) == 0 || given[0] == "" && len(given) == 1 {
			continue
		}
		if len(given) > 1 {
			return nil, malformed("The parameter `%s` is given twice.", name)
		}
		if !utf8.ValidString(given[0]) {
			return nil, malformed("The parameter `%s` must be valid UTF-8.", name)
		}
		var value any = given[0]
		if name == "variables" || name == "extensions" {
			if refused := l.values([]byte(given[0])); refused != nil {
				return nil, refused
			}
			if value, err = decodeValue([]byte(given[0])); err != nil {
				return nil, malformed("The parameter `%s` must be a JSON object.", name)
			}
		}
		if refused := set(params, name, value); refused != nil {
			return nil, refused
		}
	}
	return complete(params, values.Has("query"))
}

// decodeValue keeps numbers as they are written.
func decodeValue(text []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the value")
	}
	return value, nil
}

// values refuses JSON that is made of too many values and names, closing brackets included, before
// anything is made of it.
func (l Limits) values(text []byte) *refusal {
	if l.Values == 0 || len(text) <= l.Values {
		return nil
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	for range l.Values {
		if _, err := decoder.ReadToken(); err != nil {
			return nil
		}
	}
	return &refusal{status: http.StatusBadRequest, code: CodeTooComplex,
		message: fmt.Sprintf("The request holds more than %d values and names.", l.Values)}
}

// set puts one parameter where it belongs. Null is the same as not given.
func set(params *graphql.RawParams, name string, value any) *refusal {
	ok := true
	switch name {
	case "query":
		params.Query, ok = value.(string)
	case "operationName":
		if value != nil {
			params.OperationName, ok = value.(string)
		}
	case "variables":
		if value != nil {
			params.Variables, ok = value.(map[string]any)
		}
	case "extensions":
		if value != nil {
			params.Extensions, ok = value.(map[string]any)
		}
	}
	if ok {
		return nil
	}
	if name == "query" || name == "operationName" {
		return malformed("`%s` must be a string.", name)
	}
	return malformed("`%s` must be an object.", name)
}

func complete(params *graphql.RawParams, hasQuery bool) (*graphql.RawParams, *refusal) {
	if !hasQuery && params.Extensions["persistedQuery"] == nil {
		return nil, malformed("`query` is required; it holds the GraphQL document.")
	}
	return params, nil
}
