package queries

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"github.com/keytag/keytag/internal/store"
)

// Plan is what PostgreSQL did for a statement.
type Plan struct {
	// Rows is how many rows and index entries the scans of tables and indexes read, kept or not; a look-up
	// that finds nothing counts as one.
	Rows int
	// Blocks are those that the statement visited, in memory or not. An index scan that passes over entries
	// without a row to show for it is seen here alone.
	Blocks int
	// Sequential are the tables that were read from end to end.
	Sequential []string
	// Text is the plan as EXPLAIN gave it.
	Text string
}

// Explain runs a statement on a connection, as one prepared, and tells its plan. The connection's settings
// decide: see Server.Settings.
func Explain(ctx context.Context, conn *sql.Conn, s store.Statement) (*Plan, error) {
	if len(s.Args) == 0 {
		return explain(ctx, conn, s.Text)
	}
	values := make([]string, len(s.Args))
	for i, arg := range s.Args {
		text, err := literal(arg)
		if err != nil {
			return nil, err
		}
		values[i] = text
	}
	for _, statement := range []string{"DEALLOCATE ALL", "PREPARE explained AS " + s.Text} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	return explain(ctx, conn, "EXECUTE explained("+strings.Join(values, ", ")+")")
}

func literal(arg any) (string, error) {
	switch v := arg.(type) {
	case nil:
		return "NULL", nil
	case string:
		return pq.QuoteLiteral(v), nil
	case time.Time:
		return pq.QuoteLiteral(v.Format(time.RFC3339Nano)), nil
	case int:
		return strconv.Itoa(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("a value of type %T", arg)
}

func explain(ctx context.Context, conn *sql.Conn, statement string) (*Plan, error) {
	var text string
	if err := conn.QueryRowContext(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+statement).Scan(&text); err != nil {
		return nil, err
	}
	var answer []struct{ Plan node }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, err
	}
	p := &Plan{Text: text}
	for _, a := range answer {
		p.Blocks += a.Plan.Hit + a.Plan.Read
		a.Plan.add(p)
	}
	return p, nil
}

// node is a step of a plan. Rows are averages over its loops, rounded; blocks are those of the steps beneath
// too.
type node struct {
	Type      string  `json:"Node Type"`
	Table     string  `json:"Relation Name"`
	Rows      float64 `json:"Actual Rows"`
	Loops     float64 `json:"Actual Loops"`
	Filtered  float64 `json:"Rows Removed by Filter"`
	Rechecked float64 `json:"Rows Removed by Index Recheck"`
	Hit       int     `json:"Shared Hit Blocks"`
	Read      int     `json:"Shared Read Blocks"`
	Plans     []node
}

var scans = []string{"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan", "Bitmap Heap Scan"}

func (n *node) add(p *Plan) {
	if slices.Contains(scans, n.Type) {
		p.Rows += int(max(1, n.Rows+n.Filtered+n.Rechecked) * n.Loops)
	}
	if n.Type == "Seq Scan" {
		p.Sequential = append(p.Sequential, n.Table)
	}
	for i := range n.Plans {
		n.Plans[i].add(p)
	}
}
