package httpgraphql

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Automatic persisted queries, as Apollo's clients do them
// (https://www.apollographql.com/docs/apollo-server/performance/apq): a request names its document by
// `extensions.persistedQuery`, {"version": 1, "sha256Hash": hex}, and sends it along only after it was told
// that it is not known. Codes and messages are those that the clients look for.
var (
	persistedNotFound = &gqlerror.Error{
		Message:    "PersistedQueryNotFound",
		Extensions: map[string]any{"code": "PERSISTED_QUERY_NOT_FOUND"},
	}
	persistedNotSupported = &gqlerror.Error{
		Message:    "PersistedQueryNotSupported",
		Extensions: map[string]any{"code": "PERSISTED_QUERY_NOT_SUPPORTED"},
	}
	wrongHash = &gqlerror.Error{
		Message:    "The hash of the persisted query is not the SHA-256 of the document.",
		Extensions: map[string]any{"code": CodeMalformed},
	}
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// persisted puts the document into params that they name by its hash, which is empty when they do not.
func (h *handler) persisted(params *graphql.RawParams) (hash string, err *gqlerror.Error) {
	extension, named := params.Extensions["persistedQuery"]
	if !named || extension == nil {
		return "", nil
	}
	members, _ := extension.(map[string]any)
	hash, _ = members["sha256Hash"].(string)
	if members["version"] != json.Number("1") || !sha256Hex.MatchString(hash) {
		return "", persistedNotSupported
	}
	if params.Query == "" {
		d := h.documents.find(hash)
		if d == nil {
			return "", persistedNotFound
		}
		params.Query = d.text
		return "", nil
	}
	if sum := sha256.Sum256([]byte(params.Query)); hex.EncodeToString(sum[:]) != hash {
		return "", wrongHash
	}
	return hash, nil
}
