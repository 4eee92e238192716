package main

import (
	"context"
	"database/sql"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
)

const bareArgument = "bare"

// instructions are what the process of the floor is told on standard input.
type instructions struct {
	Database string
	Floors   map[string]floor
}

func init() {
	gob.Register(time.Time{})
	gob.Register(Ahead(0))
}

// serveBare is the other process, which does by hand what the server does: it answers a page at
// /page/NAME, and at /time/NAME?warm-up=…&n=… how many nanoseconds the statements alone took each time.
func serveBare(context.Context) error {
	var told instructions
	if err := gob.NewDecoder(os.Stdin).Decode(&told); err != nil {
		return err
	}
	handler, err := newBare(told)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	slog.New(slog.NewJSONHandler(os.Stderr, nil)).Info("listening", "address", listener.Addr().String())
	return http.Serve(listener, handler)
}

const bareConnections = 16 // as many as the server has to read with

func newBare(told instructions) (http.Handler, error) {
	pools, err := openPools(told.Database)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for name, f := range told.Floors {
		// At the first request, since it takes a while.
		fastest := sync.OnceValues(func() (*prepared, error) { return fastest(pools, f) })
		handle := func(path string, serve func(*prepared, *http.Request) (any, error)) {
			mux.HandleFunc("POST /"+path+"/"+name, answering(func(r *http.Request) (any, error) {
				p, err := fastest()
				if err != nil {
					return nil, err
				}
				return serve(p, r)
			}))
		}
		handle("page", (*prepared).servePage)
		handle("time", (*prepared).serveTimes)
	}
	return mux, nil
}

func answering(serve func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := serve(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // the client has gone
	}
}

// row is what the columns hold.
type row struct {
	ID, Name, Description, KeyPrefix string
	Scopes                           []byte
	Created                          time.Time
	LastUsed                         *time.Time
	Expires, Inactivity, Grace       *time.Time
	Rotated, Suspended, Revoked      *time.Time
	Generation                       int
	FamilyID                         string
}

// read reads up to limit rows, and counts.
func (p *prepared) read(ctx context.Context, limit int) (list []row, total int, err error) {
	list = make([]row, 0, limit)
	for i, statement := range p.pages {
		if list, err = scan(ctx, statement, p.Statements[i].args(limit-len(list)), list); err != nil {
			return nil, 0, err
		}
		if len(list) == limit {
			break
		}
	}
	if p.count != nil {
		err = p.count.QueryRowContext(ctx, p.Count.args(page.MaxCount+1)...).Scan(&total)
	}
	return list, total, err
}

func scan(ctx context.Context, statement *sql.Stmt, args []any, list []row) ([]row, error) {
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.ID, &r.Name, &r.Description, &r.KeyPrefix, &r.Scopes, &r.Created, &r.LastUsed, &r.Expires,
			&r.Inactivity, &r.Grace, &r.Rotated, &r.Suspended, &r.Revoked, &r.Generation, &r.FamilyID); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (p *prepared) serveTimes(r *http.Request) (any, error) {
	warmUp, err := strconv.Atoi(r.FormValue("warm-up"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		return nil, err
	}
	return p.times(r.Context(), warmUp, n)
}

// servePage answers what the server answers. One row more than the page holds tells whether there are
// more.
func (p *prepared) servePage(r *http.Request) (any, error) {
	list, total, err := p.read(r.Context(), queries.PageSize+1)
	if err != nil {
		return nil, err
	}
	more := len(list) > queries.PageSize
	list = list[:min(len(list), queries.PageSize)]
	if p.Reversed {
		slices.Reverse(list)
	}
	now := lifecycle.Instant(time.Now())
	found := &connectionOfKeys{Nodes: make([]key, len(list))}
	for i := range list {
		found.Nodes[i] = list[i].key(now)
	}
	found.PageInfo = pageInfo{HasNextPage: more, HasPreviousPage: p.Behind}
	if p.Reversed {
		found.PageInfo = pageInfo{HasNextPage: p.Behind, HasPreviousPage: more}
	}
	if len(list) > 0 {
		found.PageInfo.StartCursor, found.PageInfo.EndCursor = cursor(&list[0]), cursor(&list[len(list)-1])
	}
	if p.count != nil {
		found.TotalCount, found.TotalCountIsEstimate = new(min(total, page.MaxCount)), new(total > page.MaxCount)
	}
	answer := map[string]any{"apiKeys": found}
	if p.Document != queries.OrganizationPage {
		answer = map[string]any{"project": answer}
	}
	return map[string]any{"data": answer}, nil
}
