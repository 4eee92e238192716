package queries_test

import (
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"entgo.io/ent/dialect"

	"github.com/keytag/keytag/internal/benchdata"
	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/store/storetest"
)

const seed = 1

var now = time.Date(2026, 8, 31, 10, 0, 0, 0, time.UTC)

// rowsPerRow is how many rows a query may read for each that it returns, or that the rarest scope of an
// intersection has.
const rowsPerRow = 10

// filled is a database with keys, and the queries on it.
type filled struct {
	pool   *sql.DB
	file   string // of SQLite
	server *queries.Server
	list   []queries.Query
}

// many are 100 000 keys, or KEYTAG_TEST_KEYS.
func many(t *testing.T) int {
	t.Helper()
	text, set := os.LookupEnv("KEYTAG_TEST_KEYS")
	if !set {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fill makes n keys.
func fill(t *testing.T, name string, n int) *filled {
	t.Helper()
	url := storetest.Empty(t, name)
	if _, err := benchdata.Load(t.Context(), url, benchdata.Options{Keys: n, Seed: seed, Now: now}, func(string) {}); err != nil {
		t.Fatal(err)
	}
	driver, source := "postgres", url
	file, ok := strings.CutPrefix(url, "sqlite://")
	if ok {
		driver, source = "sqlite", file
	}
	pool, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	f := &filled{pool: pool, file: file, server: queries.NewServer(storetest.Connect(t, url), seed, func() time.Time { return now })}
	if _, f.list, err = queries.List(t.Context(), seed, f.server.Ask); err != nil {
		t.Fatal(err)
	}
	return f
}

// Each named query finds its way by indexes, and reads not many more rows than it returns.
func TestQueriesReadLittleMoreThanTheyReturn(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f := fill(t, dialect.Postgres, many(t))
		for _, planning := range f.plannings(t) {
			t.Run(planning, func(t *testing.T) { f.each(t, func(t *testing.T, a asked) { f.holdPostgres(t, planning, a) }) })
		}
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f := fill(t, dialect.SQLite, many(t))
		perRow := f.stepsPerRow(t)
		check := func(t *testing.T) { f.each(t, func(t *testing.T, a asked) { f.holdSQLite(t, perRow, a) }) }
		t.Run("analysed", check)
		// Nobody has to analyse a database of SQLite, which does not do it by itself.
		for _, table := range []string{"sqlite_stat1", "sqlite_stat4"} {
			if _, err := f.pool.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("not analysed", check)
	})
}

// asked is a query with what it did.
type asked struct {
	queries.Query
	statements []store.Statement
	returned   int
	// allowed is how many rows it may read.
	allowed int
}

// each asks every query, in a subtest of its own.
func (f *filled) each(t *testing.T, hold func(*testing.T, asked)) {
	for _, q := range f.list {
		t.Run(q.Name, func(t *testing.T) {
			statements, page, err := f.server.Statements(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			a := asked{Query: q, statements: statements, returned: len(page.Nodes)}
			a.allowed = rowsPerRow * max(1, a.returned, f.rarest(t, q))
			hold(t, a)
		})
	}
}

// rarest is how many keys of the project hold the rarest scope of an intersection; 0 of any other query.
func (f *filled) rarest(t *testing.T, q queries.Query) int {
	t.Helper()
	var counts []int
	for _, scope := range q.All {
		var n int
		err := f.pool.QueryRowContext(t.Context(), "SELECT count(*) FROM key_scopes WHERE project_id = $1 AND scope = $2", q.Variables["project"], scope).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, n)
	}
	if counts == nil {
		return 0
	}
	return slices.Min(counts)
}

// counts tells the statement of a total, which reads what it counts.
func (a asked) counts(s store.Statement) bool {
	return a.Counts() && strings.HasSuffix(s.Text, fmt.Sprintf(" LIMIT %d", page.MaxCount+1))
}

// plannings are the ways in which PostgreSQL may plan the store's prepared statements: for the values given,
// or once for all values.
func (f *filled) plannings(t *testing.T) []string {
	settings, err := f.server.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if forced := settings["plan_cache_mode"]; forced != "" && forced != "auto" {
		return []string{forced}
	}
	return []string{"force_custom_plan", "force_generic_plan"}
}

func (f *filled) holdPostgres(t *testing.T, planning string, a asked) {
	conn, err := f.pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	settings, err := f.server.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	settings["plan_cache_mode"] = planning
	for name, value := range settings {
		if _, err := conn.ExecContext(t.Context(), "SELECT set_config($1, $2, false)", name, value); err != nil {
			t.Fatal(err)
		}
	}
	read := 0
	for _, s := range a.statements {
		plan, err := queries.Explain(t.Context(), conn, s)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Sequential) > 0 {
			t.Errorf("reads all of %v:\n%s\n%s", plan.Sequential, s.Text, plan.Text)
		}
		if a.counts(s) {
			continue
		}
		// A look-up goes through three or four blocks of an index. More means that entries were passed over.
		if plan.Blocks > 50+4*plan.Rows {
			t.Errorf("visits %d blocks for %d rows:\n%s\n%s", plan.Blocks, plan.Rows, s.Text, plan.Text)
		}
		if read += plan.Rows; read > a.allowed && plan.Rows > a.allowed/2 {
			t.Logf("%d rows:\n%s\n%s", plan.Rows, s.Text, plan.Text)
		}
	}
	t.Logf("%d rows read, %d returned", read, a.returned)
	if read > a.allowed {
		t.Errorf("reads %d rows, more than %d", read, a.allowed)
	}
}

// stepsPerRow is what SQLite does to look a key up by its id and give all of its row.
func (f *filled) stepsPerRow(t *testing.T) int {
	t.Helper()
	count, rows := steps(t, f.file, "SELECT * FROM api_keys WHERE id IN (SELECT id FROM api_keys LIMIT ?)", []any{queries.PageSize})
	if rows != queries.PageSize {
		t.Fatalf("%d rows", rows)
	}
	return count / rows
}

// SQLite does not tell how many rows it has read. What it tells are the instructions that it carried out: they
// are held to what as many rows, looked up and given whole, would take.
func (f *filled) holdSQLite(t *testing.T, perRow int, a asked) {
	done := 0
	for _, s := range a.statements {
		plan := f.plan(t, s)
		for _, table := range passedOver(plan) {
			t.Errorf("reads all of %s:\n%s\n%s", table, s.Text, plan)
		}
		if a.counts(s) {
			continue
		}
		count, _ := steps(t, f.file, s.Text, s.Args)
		if done += count; done > a.allowed*perRow && count > a.allowed*perRow/2 {
			t.Logf("%d steps:\n%s\n%s", count, s.Text, plan)
		}
	}
	t.Logf("%d steps, as many as for %d rows, %d returned", done, done/perRow, a.returned)
	if done > a.allowed*perRow {
		t.Errorf("takes %d steps, as many as for %d rows, more than %d", done, done/perRow, a.allowed)
	}
}

// plan is what SQLite is going to do.
func (f *filled) plan(t *testing.T, s store.Statement) string {
	t.Helper()
	pool, err := sql.Open("sqlite", f.file+"?_time_integer_format=unix_micro")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s.Text, s.Args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

var scan = regexp.MustCompile(`(?m)^SCAN (\w+)`)

// passedOver are the tables that a plan of SQLite reads from end to end; results of sub-selects and constant
// rows are none.
func passedOver(plan string) []string {
	var tables []string
	for _, match := range scan.FindAllStringSubmatch(plan, -1) {
		name := match[1]
		made := regexp.MustCompile(`(?m)^(CO-ROUTINE|MATERIALIZE) ` + name + `$`).MatchString(plan)
		if name != "CONSTANT" && !made {
			tables = append(tables, name)
		}
	}
	return tables
}
