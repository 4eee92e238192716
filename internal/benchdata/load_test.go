package benchdata_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"
	_ "github.com/lib/pq"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/evidence"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/store/storetest"
	"github.com/keytag/keytag/internal/telemetry"
)

func load(t *testing.T, url string, o benchdata.Options) benchdata.Report {
	t.Helper()
	report, err := benchdata.Load(t.Context(), url, o, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

var statuses = []lifecycle.Status{lifecycle.Active, lifecycle.RotatingOut, lifecycle.Suspended, lifecycle.Expired, lifecycle.Revoked,
	lifecycle.Pending}

// The product finds in every organization as many keys of each status, of two scopes, to be rotated and
// with a notification, as the generator made.
func TestTheServerFindsTheKeys(t *testing.T) {
	o := benchdata.Options{Keys: 2_000, Seed: 1, Now: now}
	made, adminKeys := collect(t, o)
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		report := load(t, url, o)
		if want := len(made) + len(adminKeys); report.Keys != want || report.Organizations != len(adminKeys) {
			t.Errorf("reported %d keys of %d organizations", report.Keys, report.Organizations)
		}
		authority := keys.New(storetest.Connect(t, url), clock, quiet)
		for number := range adminKeys {
			caller, err := authority.Authenticate(t.Context(), benchdata.AdminKeyText(o.Seed, number), keys.Use{Probe: true})
			if err != nil {
				t.Fatalf("administrator of organization %d: %v", number, err)
			}
			if !authority.ViewerKey(caller).ViewerCanAdminister() {
				t.Errorf("administrator of organization %d is none", number)
			}
			organization := authority.ViewerKey(caller).OrganizationID
			want := map[string]int{string(lifecycle.Active): 1} // the administrator's
			for _, k := range made {
				if k.OrganizationID != organization || k.State == benchdata.Removed {
					continue
				}
				want[string(k.State.Status())]++
				if k.State == benchdata.Pending {
					continue // found only by asking for the status
				}
				if !k.NextRotation.IsZero() {
					want["rotation"]++
				}
				if !k.NotifyAt.IsZero() {
					want["notification"]++
				}
				for _, s := range k.Scopes {
					want[s]++
				}
			}
			find := func(what string, f keys.Filter) {
				t.Helper()
				found, err := authority.Find(caller, keys.Search{Filter: &f})
				if err != nil {
					t.Fatal(err)
				}
				if n, err := found.Count(caller); err != nil || n != want[what] {
					t.Errorf("organization %d: %d keys for %s, not %d (%v)", number, n, what, want[what], err)
				}
			}
			for _, status := range statuses {
				find(string(status), keys.Filter{Statuses: []lifecycle.Status{status}})
			}
			for _, s := range []string{benchdata.CommonScope, benchdata.RareScope} {
				find(s, keys.Filter{Scopes: &keys.ScopeFilter{Any: []string{s}}})
			}
			find("rotation", keys.Filter{RotationDueBefore: new(now.AddDate(10, 0, 0))})
			find("notification", keys.Filter{HasNotification: new(true)})
		}
	})
}

// answers are the codes with which keys of a state are refused.
var answers = map[benchdata.State]string{
	benchdata.LifetimeOver: "api_keys.expired",
	benchdata.Disused:      "api_keys.inactive",
	benchdata.GraceOver:    "api_keys.grace_ended",
	benchdata.Suspended:    "api_keys.suspended",
	benchdata.Revoked:      "api_keys.revoked",
	benchdata.Removed:      "api_keys.invalid",
	benchdata.Pending:      "api_keys.not_active",
}

func TestTextsAuthenticateAsTheirStateSays(t *testing.T) {
	const each = 12
	o := benchdata.Options{Keys: 2_000, Seed: 2, Now: now}
	made, _ := collect(t, o)
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		load(t, url, o)
		unable := map[string]string{} // user → why its keys do not work
		for row := range query(t, url, "SELECT id, CASE WHEN disabled_at IS NULL THEN 'auth.owner_not_privileged' ELSE 'auth.owner_disabled' END FROM users WHERE disabled_at IS NOT NULL OR NOT may_use_api_keys") {
			unable[row[0]] = row[1]
		}
		authority := keys.New(storetest.Connect(t, url), clock, quiet)
		tried := map[benchdata.State]int{}
		for _, k := range made {
			if tried[k.State]++; tried[k.State] > each {
				continue
			}
			want, refused := answers[k.State]
			if !refused {
				want = unable[k.OwnerID]
			}
			caller, err := authority.Authenticate(t.Context(), benchdata.KeyText(o.Seed, k.Index), keys.Use{IP: netip.MustParseAddr("10.1.2.3"), Probe: true})
			switch refusal := (*fault.Error)(nil); {
			case errors.As(err, &refusal) && refusal.Code == want:
			case err != nil || want != "":
				t.Errorf("key %d, %s: %v, not %q", k.Index, k.State, err, want)
			case authority.ViewerKey(caller).ID != k.ID:
				t.Errorf("key %d is %s", k.Index, authority.ViewerKey(caller).ID)
			}
		}
		for _, state := range benchdata.States() {
			if tried[state] == 0 {
				t.Errorf("no key is %s", state)
			}
		}
	})
}

func TestEqualOptionsMakeEqualRows(t *testing.T) {
	o := benchdata.Options{Keys: 1_500, Seed: 7, Now: now}
	storetest.EachDialect(t, func(t *testing.T, name string) {
		contents := func(o benchdata.Options) map[string][]string {
			url := storetest.Empty(t, name)
			load(t, url, o)
			all := map[string][]string{}
			for _, table := range loaded {
				all[table] = lines(t, url, "SELECT * FROM "+table+" ORDER BY id")
			}
			return all
		}
		one, same := contents(o), contents(o)
		o.Seed++
		other := contents(o)
		for _, table := range loaded {
			if len(one[table]) == 0 || !slices.Equal(one[table], same[table]) {
				t.Errorf("%s: equal seeds make %d and %d rows, not all equal", table, len(one[table]), len(same[table]))
			}
			if slices.Equal(one[table], other[table]) {
				t.Errorf("%s: another seed makes the same rows", table)
			}
		}
	})
}

var loaded = []string{"organizations", "projects", "environments", "users", "key_families", "api_keys", "key_scopes",
	"alert_sources", "rotation_schedules", "rotations", "notifications", "jobs"}

// The catalog's own words on indexes and constraints, by dialect.
var definitions = map[string]string{
	dialect.SQLite: "SELECT tbl_name, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'sqlite_stat%' ORDER BY tbl_name, name",
	dialect.Postgres: `SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) || convalidated FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		ORDER BY 1, 2, 3`,
}

func TestSchemaIsAsBefore(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		before := lines(t, url, definitions[name])
		load(t, url, benchdata.Options{Keys: 1_000, Seed: 8, Now: now})
		if after := lines(t, url, definitions[name]); len(before) < 20 || !slices.Equal(before, after) {
			t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		// PostgreSQL has checked the foreign keys when it added them.
		if name == dialect.SQLite {
			for _, broken := range lines(t, url, "PRAGMA foreign_key_check") {
				t.Errorf("foreign key: %s", broken)
			}
		}
	})
}

func TestRefusesWhatItCannotFill(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		url := storetest.Migrated(t, name)
		o := benchdata.Options{Keys: 1, Seed: 9, Now: now}
		load(t, url, o)
		before := lines(t, url, definitions[name])
		if _, err := benchdata.Load(t.Context(), url, o, func(string) {}); !errors.Is(err, benchdata.ErrNotEmpty) {
			t.Errorf("answered %v for a database with keys", err)
		}
		if n := lines(t, url, "SELECT count(*) FROM api_keys"); n[0] != "2" || !slices.Equal(before, lines(t, url, definitions[name])) {
			t.Errorf("changed a database with keys: %v", n)
		}
		if _, err := benchdata.Load(t.Context(), storetest.Empty(t, name), benchdata.Options{Now: now}, func(string) {}); err == nil {
			t.Error("made no keys without a complaint")
		}
	})
}

// A broken-off load says so instead of waiting.
func TestLoadEndsWithItsContext(t *testing.T) {
	storetest.EachDialect(t, func(t *testing.T, name string) {
		ctx, cancel := context.WithCancel(t.Context())
		o := benchdata.Options{Keys: 1_000_000, Seed: 10, Now: now}
		time.AfterFunc(500*time.Millisecond, cancel)
		if _, err := benchdata.Load(ctx, storetest.Migrated(t, name), o, func(string) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("answered %v", err)
		}
	})
}

func clock() time.Time { return now }

var quiet = telemetry.Logger(evidence.Writer(evidence.Logs), "debug", "json")

// query reads rows as text, past the store.
func query(t *testing.T, url, statement string) func(yield func([]string) bool) {
	t.Helper()
	driver, source := "postgres", url
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		driver, source = "sqlite", path
	}
	return func(yield func([]string) bool) {
		pool, err := sql.Open(driver, source)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		rows, err := pool.QueryContext(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, _ := rows.Columns()
		for rows.Next() {
			values, targets := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				targets[i] = &values[i]
			}
			if err := rows.Scan(targets...); err != nil {
				t.Fatal(err)
			}
			texts := make([]string, len(values))
			for i, value := range values {
				if bytes, ok := value.([]byte); ok {
					value = string(bytes)
				}
				texts[i] = fmt.Sprint(value)
			}
			if !yield(texts) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func lines(t *testing.T, url, statement string) []string {
	t.Helper()
	var list []string
	for row := range query(t, url, statement) {
		list = append(list, strings.Join(row, " | "))
	}
	return list
}
