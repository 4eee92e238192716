// Package benchdata fills an empty database with keys as years of use leave them, for benchmarks:
// organizations of very uneven size, users, rotation families, keys in every state. The rows go
// straight into the tables, and follow from the seed, the number of keys and the instant alone.
//
// A load that fails leaves the database without its indexes, to be thrown away.
package benchdata

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/store"
)

// ErrNotEmpty refuses a database that is in use already.
var ErrNotEmpty = errors.New("the database holds organizations or keys already")

const filled = "SELECT EXISTS (SELECT 1 FROM api_keys) OR EXISTS (SELECT 1 FROM organizations)"

// Report is what a load did, and how long its parts took.
type Report struct {
	Organizations, Users, Keys, Scopes int
	States                             map[State]int

	Rows, Indexes, Statistics time.Duration
}

// target is one database while it is being filled, past the store and its guards.
type target interface {
	filled(ctx context.Context) (bool, error)
	// strip drops what slows loading down and answers the statements that build it anew.
	strip(ctx context.Context) (rebuild []string, err error)
	// load stores what fill hands to the sink.
	load(ctx context.Context, fill func(sink) error) error
	exec(ctx context.Context, statement string) error
	// analyse gives the planner its statistics.
	analyse(ctx context.Context) error
	close() error
}

// sink takes the rows of the tables, those of one table in their order.
type sink interface {
	add(t *table, row []any) error
}

// Load migrates the database of a URL, as KEYTAG_DATABASE_URL takes it, and fills it. Nobody else
// may use the database meanwhile. say is told about progress.
func Load(ctx context.Context, url string, o Options, say func(string)) (report Report, err error) {
	if o.Keys < 1 {
		return report, errors.New("the number of keys must be positive")
	}
	if o.Organizations < 0 || o.Organizations > maxOrganizations {
		return report, fmt.Errorf("the number of organizations must be from 0 to %d", maxOrganizations)
	}
	if err := migrate(ctx, url); err != nil {
		return report, err
	}
	to, err := open(url)
	if err != nil {
		return report, err
	}
	defer func() {
		err = errors.Join(err, to.close())
		if err != nil {
			// A driver may name its own cancelling instead.
			err = errors.Join(context.Cause(ctx), err)
		}
	}()
	switch found, err := to.filled(ctx); {
	case err != nil:
		return report, err
	case found:
		return report, ErrNotEmpty
	}

	began := time.Now()
	lap := func() time.Duration {
		took := time.Since(began)
		began = time.Now()
		return took
	}
	rebuild, err := to.strip(ctx)
	if err != nil {
		return report, fmt.Errorf("drop the indexes: %w", err)
	}
	if err := to.load(ctx, func(s sink) error { return fill(s, New(o), &report, say) }); err != nil {
		return report, fmt.Errorf("load the rows: %w", err)
	}
	report.Rows = lap()
	for _, statement := range rebuild {
		say(statement)
		if err := to.exec(ctx, statement); err != nil {
			return report, fmt.Errorf("%s: %w", statement, err)
		}
	}
	report.Indexes = lap()
	say("gather statistics")
	if err := to.analyse(ctx); err != nil {
		return report, fmt.Errorf("gather statistics: %w", err)
	}
	report.Statistics = lap()
	return report, nil
}

func migrate(ctx context.Context, url string) error {
	s, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

func open(url string) (target, error) {
	if path, ok := strings.CutPrefix(url, "sqlite://"); ok {
		return openSQLite(path)
	}
	return openPostgres(url)
}

const progressEvery = 500_000

// fill hands every row of the data to the sink and counts.
func fill(s sink, d *Data, report *Report, say func(string)) error {
	report.States = map[State]int{}
	for i := range d.organizations {
		o := &d.organizations[i]
		report.Organizations++
		report.Users += len(o.users)
		if err := o.add(s); err != nil {
			return err
		}
	}
	for k := range d.Keys() {
		if err := k.add(s); err != nil {
			return err
		}
		report.Keys++
		report.States[k.State]++
		if k.State != Removed {
			report.Scopes += len(k.Scopes)
		}
		if report.Keys%progressEvery == 0 {
			say(fmt.Sprintf("%d keys", report.Keys))
		}
	}
	return nil
}
