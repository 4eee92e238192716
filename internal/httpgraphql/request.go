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
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
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

// read takes the parameters of the GraphQL request out of the HTTP request.
func read(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *refusal) {
	start := graphql.Now()
	var (
		params  *graphql.RawParams
		refused *refusal
	)
	switch r.Method {
	case http.MethodPost:
		params, refused = readBody(w, r)
	case http.MethodGet, http.MethodHead:
		params, refused = decodeQueryString(r.URL.RawQuery)
	default:
		refused = wrongMethod
	}
	if refused != nil {
		return nil, refused
	}
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	return params, nil
}

func readBody(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *refusal) {
	if !isJSON(r.Header) {
		return nil, wrongMedia
	}
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), MaxBody)) + bytes.MinRead) // it reads on until there is no more
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return nil, tooLarge
	}
	if err != nil {
		return nil, malformed("The body ended before it was complete.")
	}
	return decodeBody(body.Bytes())
}

func isJSON(header http.Header) bool {
	values := header.Values("Content-Type")
	if len(values) != 1 || header.Get("Content-Encoding") != "" {
		return false
	}
	media, parameters, err := mime.ParseMediaType(values[0])
	return err == nil && media == mediaJSON && utf8Charset(parameters)
}

// decodeBody reads exactly one JSON object in UTF-8. Names count to the letter
// and only once; members that the specification does not know are ignored, as
// it leaves them to later versions.
func decodeBody(body []byte) (*graphql.RawParams, *refusal) {
	if !utf8.Valid(body) {
		return nil, malformed("The body must be valid UTF-8.")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, malformed("The body must be one JSON object.")
	}
	var (
		params = new(graphql.RawParams)
		given  = map[string]bool{}
	)
	for decoder.More() {
		name, err := decoder.Token()
		var value any
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return nil, notJSON(decoder)
		}
		member := name.(string) // the only kind of token that may stand here
		if given[member] {
			return nil, malformed("A member of the body is given twice.")
		}
		given[member] = true
		if refused := set(params, member, value); refused != nil {
			return nil, refused
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, notJSON(decoder)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("The body must be one JSON object and nothing after it.")
	}
	return complete(params, given["query"])
}

func notJSON(decoder *json.Decoder) *refusal {
	return malformed("The body is not valid JSON after byte %d.", decoder.InputOffset())
}

// decodeQueryString reads the parameters of a GET request, which may stand
// there once each. Everything else in the query string is ignored.
func decodeQueryString(text string) (*graphql.RawParams, *refusal) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, malformed("The query string must be URL-encoded.")
	}
	params := new(graphql.RawParams)
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
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
			if value, err = decodeValue(given[0]); err != nil {
				return nil, malformed("The parameter `%s` must be a JSON object.", name)
			}
		}
		if refused := set(params, name, value); refused != nil {
			return nil, refused
		}
	}
	return complete(params, values.Has("query"))
}

func decodeValue(text string) (value any, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the value")
	}
	return value, nil
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
	if !hasQuery {
		return nil, malformed("`query` is required; it holds the GraphQL document.")
	}
	return params, nil
}
