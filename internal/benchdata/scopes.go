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
	// RareScope is held by some forty families of keys, however many keys there are, the first key's
	// among them, all in the largest organization.
	RareScope = "vault:unseal"
	// SparseScope is held by some two hundred families, however many keys there are, all in the
	// largest project of the largest organization; one in forty of them holds CommonScope too.
	SparseScope = "vault:seal"
	// AbsentScope is held by one family in 50, but by none in the largest project of any
	// organization.
	AbsentScope = "legacy:import"

	scopesPerKey   = 3
	rareFamilies   = 40
	sparseFamilies = 200
	sparseCommon   = 40
	absentEvery    = 50

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

// givenScopes are those that the family which an index begins has by its place.
func (d *Data) givenScopes(family int) []string {
	sparse := max(1, d.Options.Keys/sparseFamilies)
	switch {
	case family%max(1, d.Options.Keys/rareFamilies) == 0:
		return []string{RareScope}
	case family%sparse != sparse/2:
		return nil
	case family/sparse%sparseCommon == 0:
		return []string{SparseScope, CommonScope}
	}
	return []string{SparseScope}
}

// scopes are those of a family, sorted, given some, in a project of a number.
func scopes(r *rand.Rand, given []string, project int) []string {
	set := append(make([]string, 0, scopesPerKey), given...)
	sparse := slices.Contains(given, SparseScope)
	if project != 0 && r.IntN(absentEvery) == 0 {
		set = append(set, AbsentScope)
	}
	for len(set) < scopesPerKey {
		if s := oneScope(r); !slices.Contains(set, s) && !(sparse && s == CommonScope) {
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
