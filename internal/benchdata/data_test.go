package benchdata_test

import (
	"slices"
	"testing"
	"time"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/scope"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/typeid"
)

var now = time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)

// collect makes data without a database; adminKeys are those beside the keys asked for.
func collect(t *testing.T, o benchdata.Options) (keys, adminKeys []*benchdata.Key) {
	t.Helper()
	t.Logf("seed %d", o.Seed)
	for k := range benchdata.New(o).Keys() {
		if k.Index < 0 {
			adminKeys = append(adminKeys, k)
		} else {
			keys = append(keys, k)
		}
	}
	if len(keys) != o.Keys {
		t.Fatalf("%d keys, not %d", len(keys), o.Keys)
	}
	return keys, adminKeys
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func TestKeysAreInTheirStates(t *testing.T) {
	keys, adminKeys := collect(t, benchdata.Options{Keys: 40_000, Seed: 3, Now: now})
	count := map[benchdata.State]int{}
	for _, k := range append(adminKeys, keys...) {
		count[k.State]++
		state := lifecycle.Evaluate(lifecycle.Instants{
			Pending:             !k.Pending.IsZero(),
			CreatedAt:           k.Created,
			ExpiresAt:           optional(k.Expires),
			InactivityExpiresAt: optional(k.InactivityExpires),
			GraceExpiresAt:      optional(k.GraceExpires),
			SuspendedAt:         optional(k.Suspended),
			RotatedAt:           optional(k.Rotated),
			RevokedAt:           optional(k.Revoked),
		}, now)
		if want := k.State.Status(); want != "" && state.Status != want {
			t.Fatalf("key %d, %s, is %s", k.Index, k.State, state.Status)
		}
		because := map[benchdata.State]lifecycle.EndReason{
			benchdata.EndsSoon:     lifecycle.EndLifetime,
			benchdata.LifetimeOver: lifecycle.EndLifetime,
			benchdata.Disused:      lifecycle.EndNotAccessed,
			benchdata.GraceOver:    lifecycle.EndRotationGrace,
			benchdata.Revoked:      lifecycle.EndRevoked,
			benchdata.Removed:      lifecycle.EndRevoked,
		}[k.State]
		if because != "" && state.EndsBecause != because {
			t.Fatalf("key %d, %s, ends because of %s", k.Index, k.State, state.EndsBecause)
		}
		if k.State == benchdata.EndsSoon && state.EffectiveExpiresAt.After(now.AddDate(0, 0, 7)) {
			t.Fatalf("key %d ends at %s", k.Index, state.EffectiveExpiresAt)
		}
		if unused := k.LastUsed.IsZero(); unused != (k.State == benchdata.NeverUsed || k.State == benchdata.Pending) || unused != k.Authenticated.IsZero() {
			t.Fatalf("key %d, %s, was used at %s", k.Index, k.State, k.LastUsed)
		}
		for _, at := range []time.Time{k.LastUsed, k.Authenticated, k.Rotated, k.Suspended, k.Revoked, k.Removed, k.Pending} {
			if !at.IsZero() && (at.Before(k.Created) || at.After(now)) {
				t.Fatalf("key %d, %s, created at %s, has %s", k.Index, k.State, k.Created, at)
			}
		}
	}
	active := 0
	for _, state := range benchdata.States() {
		least := len(keys) / 200
		if state == benchdata.Pending {
			least = len(keys) / 4_000
		}
		if count[state] < least {
			t.Errorf("%d keys are %s", count[state], state)
		}
		if state.Status() == lifecycle.Active {
			active += count[state]
		}
	}
	if share := float64(active-len(adminKeys)) / float64(len(keys)); share < 0.65 || share > 0.75 {
		t.Errorf("%.2f of the keys are active", share)
	}
}

func TestRotationsMakeFamilies(t *testing.T) {
	keys, _ := collect(t, benchdata.Options{Keys: 20_000, Seed: 4, Now: now})
	byID := map[string]*benchdata.Key{}
	for _, k := range keys {
		byID[k.ID] = k
	}
	if len(byID) != len(keys) {
		t.Fatal("ids are not unique")
	}
	deepest := 0
	for _, k := range keys {
		deepest = max(deepest, k.Generation)
		if rotated := k.State == benchdata.InGrace || k.State == benchdata.GraceOver; rotated != (k.ReplacedByID != "") {
			t.Fatalf("key %d, %s, is replaced by %q", k.Index, k.State, k.ReplacedByID)
		}
		if (k.Generation > 1) != (k.ReplacesID != "") {
			t.Fatalf("key %d of generation %d replaces %q", k.Index, k.Generation, k.ReplacesID)
		}
		if k.ReplacedByID == "" {
			continue
		}
		next := byID[k.ReplacedByID]
		if next == nil || next.ReplacesID != k.ID || next.FamilyID != k.FamilyID || next.Generation != k.Generation+1 ||
			next.OwnerID != k.OwnerID || next.ProjectID != k.ProjectID || next.Name != k.Name ||
			!slices.Equal(next.Scopes, k.Scopes) || !next.Created.Equal(k.Rotated) {
			t.Fatalf("%+v is the successor of %+v", next, k)
		}
	}
	if deepest < 3 {
		t.Errorf("no family has more than %d generations", deepest)
	}
}

func TestSizesAreUneven(t *testing.T) {
	o := benchdata.Options{Keys: 60_000, Seed: 5, Now: now}
	keys, adminKeys := collect(t, o)
	if len(adminKeys) != 1000 {
		t.Fatalf("%d organizations", len(adminKeys))
	}
	largest := adminKeys[len(adminKeys)-1].OrganizationID
	first := map[string]string{} // organization → its largest project
	for _, k := range adminKeys {
		first[k.OrganizationID] = k.ProjectID
	}
	inLargest, inFirst, absent := 0, 0, 0
	owned, held := map[string]int{}, map[string]int{}
	for _, k := range keys {
		if k.OrganizationID == largest {
			inLargest++
			owned[k.OwnerID]++
			if k.ProjectID == first[largest] {
				inFirst++
			}
		}
		if valid, malformed := scope.NewSet(k.Scopes); len(valid) != 3 || len(malformed) > 0 || !slices.Equal(valid, k.Scopes) {
			t.Fatalf("key %d has the scopes %v", k.Index, k.Scopes)
		}
		for _, s := range k.Scopes {
			held[s]++
		}
		if slices.Contains(k.Scopes, benchdata.AbsentScope) {
			if absent++; k.ProjectID == first[k.OrganizationID] {
				t.Fatalf("key %d of a largest project holds %s", k.Index, benchdata.AbsentScope)
			}
		}
	}
	if share := float64(inLargest) / float64(len(keys)); share < 0.18 || share > 0.23 {
		t.Errorf("the largest organization has %.3f of the keys", share)
	}
	if share := float64(inFirst) / float64(inLargest); share < 0.45 || share > 0.6 {
		t.Errorf("its largest project has %.3f of its keys", share)
	}
	most := 0
	for _, n := range owned {
		most = max(most, n)
	}
	if most < 10*inLargest/len(owned) {
		t.Errorf("of %d keys of %d users one owns no more than %d", inLargest, len(owned), most)
	}
	for s, n := range held {
		if n > held[benchdata.CommonScope] {
			t.Errorf("%s is held by %d keys, more than the common one", s, n)
		}
	}
	if len(held) < 900 || absent < len(keys)/500 {
		t.Errorf("%d scopes, the one absent in largest projects on %d keys", len(held), absent)
	}
}

// As many keys hold the rare scopes whatever the number of keys.
func TestRareScopesDoNotGrow(t *testing.T) {
	for _, n := range []int{1_000, 60_000, 300_000} {
		keys, adminKeys := collect(t, benchdata.Options{Keys: n, Seed: 5, Now: now})
		largest := adminKeys[len(adminKeys)-1]
		rare, sparse, both := 0, 0, 0
		for _, k := range keys {
			if slices.Contains(k.Scopes, benchdata.RareScope) {
				if rare++; k.OrganizationID != largest.OrganizationID {
					t.Fatalf("key %d of another organization holds %s", k.Index, benchdata.RareScope)
				}
			}
			if !slices.Contains(k.Scopes, benchdata.SparseScope) {
				continue
			}
			if sparse++; k.ProjectID != largest.ProjectID {
				t.Fatalf("key %d of another project holds %s", k.Index, benchdata.SparseScope)
			}
			if slices.Contains(k.Scopes, benchdata.CommonScope) {
				both++
			}
		}
		if rare < 30 || rare > 80 || sparse < 150 || sparse > 400 || both < 3 || both > 12 {
			t.Errorf("of %d keys %d hold the rare scope, %d the sparse one, %d of these the common one", n, rare, sparse, both)
		}

	}
}

func TestOneOrganizationHoldsAllKeys(t *testing.T) {
	keys, adminKeys := collect(t, benchdata.Options{Keys: 2_000, Organizations: 1, Seed: 7, Now: now})
	if len(adminKeys) != 1 {
		t.Fatalf("%d organizations", len(adminKeys))
	}
	for _, k := range keys {
		if k.OrganizationID != adminKeys[0].OrganizationID {
			t.Fatalf("key %d is in %s", k.Index, k.OrganizationID)
		}
	}
}

func TestIdsAndTexts(t *testing.T) {
	o := benchdata.Options{Keys: 2_000, Seed: 6, Now: now}
	keys, adminKeys := collect(t, o)
	previous, prefixes := "", map[string]bool{}
	for i, k := range keys {
		for kind, id := range map[string]string{typeid.APIKey: k.ID, typeid.KeyFamily: k.FamilyID, typeid.User: k.OwnerID,
			typeid.Project: k.ProjectID, typeid.Organization: k.OrganizationID} {
			if !typeid.Check(kind, id) {
				t.Fatalf("%q is no id of the kind %s", id, kind)
			}
		}
		// The server's own id of that instant has the same first ten characters, which hold its time
		// to the 100 µs.
		if own := typeid.New(typeid.APIKey, k.Created); k.ID[:len("key_")+12] != own[:len("key_")+12] {
			t.Fatalf("%s of %s does not hold its instant", k.ID, k.Created)
		}
		if k.ID <= previous {
			t.Fatalf("%s, made later, does not follow %s", k.ID, previous)
		}
		previous = k.ID
		parsed, err := secret.Parse(benchdata.KeyText(o.Seed, i))
		if err != nil || k.Index != i || parsed.Digest() != k.Secret.Digest() || prefixes[parsed.Prefix()] {
			t.Fatalf("text of key %d: %v", i, err)
		}
		prefixes[parsed.Prefix()] = true
	}
	for i, k := range adminKeys {
		parsed, err := secret.Parse(benchdata.AdminKeyText(o.Seed, len(adminKeys)-1-i))
		if err != nil || parsed.Digest() != k.Secret.Digest() {
			t.Fatalf("text of the administrator of organization %d: %v", len(adminKeys)-1-i, err)
		}
	}
}
