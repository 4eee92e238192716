// Package catalogue bounds the scopes that the keys of a project may hold.
package catalogue

import "github.com/keytag/keytag/internal/scope"

// Definition is one scope that the keys of a project may hold. As JSON it is what storage holds.
type Definition struct {
	Name              string  `json:"name"`
	Description       string  `json:"description"`
	DeprecationReason *string `json:"deprecationReason,omitempty"`
}

// Catalogue lists the scopes that the keys of a project may hold. An entry that ends in `*` admits
// everything beneath it; an empty catalogue admits everything.
type Catalogue []Definition

// Unknown returns those of wanted that no entry admits, in their order.
func (c Catalogue) Unknown(wanted []string) []string {
	var unknown []string
	if len(c) == 0 {
		return nil
	}
next:
	for _, w := range wanted {
		for _, d := range c {
			if scope.Covers(d.Name, w) {
				continue next
			}
		}
		unknown = append(unknown, w)
	}
	return unknown
}
