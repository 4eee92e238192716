package server

import (
	"net/http"

	"github.com/rs/cors"
)

// shared lets pages of other origins ask and read the answers, as browsers want to be told
// (https://fetch.spec.whatwg.org/#http-cors-protocol). Credentials that a browser adds by itself are not
// among what they may send, since there are none: keys stand in headers that the page sets.
func shared(next http.Handler, origins []string) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Type", "X-Api-Key", "Keytag-Probe", "X-Request-Id", "Traceparent", "Tracestate",
			// Of Apollo Client.
			"Apollo-Require-Preflight", "Apollographql-Client-Name", "Apollographql-Client-Version", "X-Apollo-Operation-Name",
		},
		ExposedHeaders: []string{"Keytag-Key-Id", "Keytag-Key-Expires-At", "Retry-After", "X-Request-Id", "X-Cloud-Error-Codes"},
		MaxAge:         600, // seconds
	}).Handler(next)
}
