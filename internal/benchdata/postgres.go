package benchdata

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

type postgres struct {
	pool *sql.DB
	// session has its own settings; COPY runs beside it.
	session *sql.Conn
}

func openPostgres(url string) (target, error) {
	pool, err := sql.Open("postgres", url)
	if err != nil {
		return nil, err
	}
	p := &postgres{pool: pool}
	if p.session, err = pool.Conn(context.Background()); err == nil {
		_, err = p.session.ExecContext(context.Background(), "SET maintenance_work_mem = '512MB'")
	}
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return p, nil
}

func (p *postgres) close() error { return errors.Join(p.session.Close(), p.pool.Close()) }

func (p *postgres) exec(ctx context.Context, statement string) error {
	_, err := p.session.ExecContext(ctx, statement)
	return err
}

func (p *postgres) filled(ctx context.Context) (found bool, err error) {
	err = p.session.QueryRowContext(ctx, filled).Scan(&found)
	return found, err
}

// strippable are the constraints and indexes of the tables in an order in which they can be
// dropped: a foreign key before the unique constraint that it refers to. Foreign keys of other
// tables to these are among them.
const strippable = `
	SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
	       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)),
	       CASE contype WHEN 'f' THEN 1 ELSE 2 END AS rank, conname AS name
	FROM pg_constraint
	WHERE contype = 'f' AND (conrelid = ANY ($1::regclass[]) OR confrelid = ANY ($1::regclass[]))
	   OR contype IN ('p', 'u', 'x') AND conrelid = ANY ($1::regclass[])
	UNION ALL
	SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid), 3, indexrelid::regclass::text
	FROM pg_index
	WHERE indrelid = ANY ($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
	ORDER BY rank, name`

func (p *postgres) strip(ctx context.Context) (rebuild []string, err error) {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	rows, err := p.session.QueryContext(ctx, strippable, pq.Array(names))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var drop []string
	for rows.Next() {
		var dropping, building, name string
		var rank int
		if err := rows.Scan(&dropping, &building, &rank, &name); err != nil {
			return nil, err
		}
		drop = append(drop, dropping)
		rebuild = append(rebuild, building)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	slices.Reverse(rebuild)
	for _, statement := range drop {
		if err := p.exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	return rebuild, nil
}

func (p *postgres) analyse(ctx context.Context) error {
	for _, t := range tables {
		// The visibility map too, without which no index answers alone.
		if err := p.exec(ctx, "VACUUM (ANALYZE) "+t.name); err != nil {
			return err
		}
	}
	return nil
}

// copies is the sink: a COPY per table, side by side.
type copies struct {
	ctx   context.Context
	start func(*table) *copying
	open  map[*table]*copying
}

// copying is the COPY of one table. Rows go in chunks, since each costs a handover.
type copying struct {
	chunk  []byte
	chunks chan string
}

const chunkSize = 64 << 10 // more than the driver gathers before it sends

func (p *postgres) load(ctx context.Context, fill func(sink) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	c := &copies{ctx: ctx, open: map[*table]*copying{}, start: func(t *table) *copying {
		into := &copying{chunks: make(chan string, 4)}
		running.Go(func() {
			if err := p.copy(ctx, t, into.chunks); err != nil {
				cancel(fmt.Errorf("%s: %w", t.name, err))
			}
		})
		return into
	}}
	err := fill(c)
	for _, into := range c.open {
		if err == nil {
			err = c.send(into)
		}
	}
	if err != nil {
		cancel(err)
	}
	for _, into := range c.open {
		close(into.chunks)
	}
	running.Wait()
	return context.Cause(ctx)
}

func (c *copies) add(t *table, row []any) error {
	into := c.open[t]
	if into == nil {
		into = c.start(t)
		c.open[t] = into
	}
	for i, value := range row {
		if i > 0 {
			into.chunk = append(into.chunk, '\t')
		}
		into.chunk = appendText(into.chunk, value)
	}
	into.chunk = append(into.chunk, '\n')
	if len(into.chunk) < chunkSize {
		return nil
	}
	return c.send(into)
}

func (c *copies) send(into *copying) error {
	if len(into.chunk) == 0 {
		return nil
	}
	// The driver ends what it is given with a line break of its own.
	text := string(into.chunk[:len(into.chunk)-1])
	into.chunk = into.chunk[:0]
	select {
	case into.chunks <- text:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

func (p *postgres) copy(ctx context.Context, t *table, chunks <-chan string) error {
	session, err := p.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	// Rows of a table emptied in the same transaction need no write-ahead log where wal_level is
	// minimal, and may be frozen at once.
	if _, err := session.ExecContext(ctx, "BEGIN; TRUNCATE "+t.name); err != nil {
		return err
	}
	err = session.Raw(func(connection any) error {
		statement, err := connection.(driver.ConnPrepareContext).PrepareContext(ctx,
			"COPY "+t.name+" ("+strings.Join(t.columns, ", ")+") FROM STDIN (FREEZE)")
		if err != nil {
			return err
		}
		defer statement.Close()
		into := statement.(interface {
			CopyData(ctx context.Context, line string) (driver.Result, error)
		})
		for text := range chunks {
			if _, err := into.CopyData(ctx, text); err != nil {
				return err
			}
		}
		_, err = statement.Exec(nil) // without values it ends the COPY
		return err
	})
	if err != nil {
		return err
	}
	_, err = session.ExecContext(ctx, "COMMIT")
	return err
}

var escaper = strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

// appendText writes a value in the text format of COPY.
func appendText(to []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(to, `\N`...)
	case string:
		return append(to, escaper.Replace(v)...)
	case document:
		return append(to, escaper.Replace(string(v))...)
	case []byte:
		return hex.AppendEncode(append(to, `\\x`...), v)
	case int:
		return strconv.AppendInt(to, int64(v), 10)
	case bool:
		return strconv.AppendBool(to, v)
	case time.Time:
		return v.UTC().AppendFormat(to, "2006-01-02 15:04:05.999999+00")
	}
	panic(fmt.Sprintf("benchdata: no text for %T", value))
}
