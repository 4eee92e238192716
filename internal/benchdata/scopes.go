package benchdata

import (
	"math/rand/v2"
	"slices"

	"github.com/keytag/keytag/internal/principal"
)

// Scopes that benchmarks look for.
const (
	// CommonScope is held by more keys than any other.
	CommonScope = "orders:read"
	// RareScope is held by one family of keys in 50 000, the first key's among them, all in the
	// largest organization.
	RareScope = "vault:unseal"
	// AbsentScope is held by one family in 50, but by none in the largest project of any
	// organization.
	AbsentScope = "legacy:import"

	scopesPerKey = 3
	rareEvery    = 50_000
	absentEvery  = 50

	wildcardPercent = 4
	reservedPercent = 3
	scopeSkew       = 1.1
)

var (
	services = []string{"orders", "invoices", "customers", "products", "payments", "stock", "reports", "deploy", "metrics", "logs",
		"files", "mail", "search", "prices", "carts", "returns", "shipments", "refunds", "users", "sessions"}
	parts = []string{"", "drafts", "archive", "exports", "labels"}
	verbs = []string{"read", "write", "list", "create", "update", "delete", "export", "approve", "audit", "admin"}

	vocabulary = words()
	popularity = zipf(len(vocabulary), scopeSkew)

	reserved = []string{principal.KeysRead, principal.DirectoryRead, principal.AuditRead, principal.KeysWrite}
)

// ScopeOfRank is a scope of the vocabulary by how many keys hold it: rank 0 is CommonScope, rank 999
// the least common.
func ScopeOfRank(rank int) string { return vocabulary[rank] }

// words is the vocabulary of 1000 scopes, the commonest first: what every service has before what
// few have.
func words() []string {
	var list []string
	for _, part := range parts {
		for _, verb := range verbs {
			for _, service := range services {
				if part == "" {
					list = append(list, service+":"+verb)
				} else {
					list = append(list, service+":"+part+":"+verb)
				}
			}
		}
	}
	return list
}

// scopes are those of the family that an index begins, sorted, in a project of a number.
func scopes(r *rand.Rand, index, project int) []string {
	set := make([]string, 0, scopesPerKey)
	if index%rareEvery == 0 {
		set = append(set, RareScope)
	}
	if project != 0 && r.IntN(absentEvery) == 0 {
		set = append(set, AbsentScope)
	}
	for len(set) < scopesPerKey {
		if s := oneScope(r); !slices.Contains(set, s) {
			set = append(set, s)
		}
	}
	slices.Sort(set)
	return set
}

func oneScope(r *rand.Rand) string {
	switch chance := r.IntN(100); {
	case chance < wildcardPercent:
		return services[r.IntN(len(services))] + ":*"
	case chance < wildcardPercent+reservedPercent:
		return reserved[r.IntN(len(reserved))]
	}
	return vocabulary[popularity.draw(r)]
}
