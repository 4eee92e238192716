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

// persisted puts the document into params that they name by its hash alone. It answers the hash of one that came
// along with it.
func (h *handler) persisted(params *graphql.RawParams) (hash, *gqlerror.Error) {
	extension := params.Extensions["persistedQuery"]
	if extension == nil {
		return "", nil
	}
	members, _ := extension.(map[string]any)
	named, _ := members["sha256Hash"].(string)
	if members["version"] != json.Number("1") || !sha256Hex.MatchString(named) {
		return "", persistedNotSupported
	}
	if params.Query == "" {
		d := h.documents.find(hash(named))
		if d == nil {
			return "", persistedNotFound
		}
		params.Query = d.text
		return "", nil
	}
	if sum := sha256.Sum256([]byte(params.Query)); hex.EncodeToString(sum[:]) != named {
		return "", wrongHash
	}
	return hash(named), nil
}
