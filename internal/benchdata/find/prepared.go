package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

// planners are settings of PostgreSQL under which every floor is tried, so that it is one: for a
// prepared statement PostgreSQL may plan for an average project, which the largest is not, or plan anew
// each time, which takes longer than the page.
var planners = []map[string]string{
	{"plan_cache_mode": "force_generic_plan", "enable_sort": "off", "enable_bitmapscan": "off", "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"},
	{"plan_cache_mode": "force_generic_plan", "enable_sort": "off", "enable_bitmapscan": "off", "enable_seqscan": "off", "enable_hashjoin": "off"},
	{"plan_cache_mode": "force_custom_plan"},
	{"plan_cache_mode": "auto"},
}

// openPools opens a database once for each way of planning.
func openPools(database string) (pools []*rig.Database, err error) {
	addresses := []string{database}
	if !strings.HasPrefix(database, "sqlite://") {
		addresses = nil
		for _, settings := range planners {
			at, err := url.Parse(database)
			if err != nil {
				return nil, errors.New("the address of the database is not a URL")
			}
			options := at.Query()
			options.Set("jit", "off") // as the server has it
			for name, value := range settings {
				options.Set(name, value)
			}
			at.RawQuery = options.Encode()
			addresses = append(addresses, at.String())
		}
	}
	for _, address := range addresses {
		pool, err := rig.Open(address)
		if err != nil {
			return nil, err
		}
		pool.SetMaxOpenConns(bareConnections)
		pool.SetMaxIdleConns(bareConnections)
		pools = append(pools, pool)
	}
	return pools, nil
}

// prepared is a floor ready to be asked.
type prepared struct {
	floor
	pages []*sql.Stmt
	count *sql.Stmt
}

func prepare(pool *rig.Database, f floor) (p *prepared, err error) {
	p = &prepared{floor: f, pages: make([]*sql.Stmt, len(f.Statements))}
	for i, s := range f.Statements {
		if p.pages[i], err = pool.Prepare(s.Text); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Text, err)
		}
	}
	if f.Count != nil {
		if p.count, err = pool.Prepare(f.Count.Text); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Count.Text, err)
		}
	}
	return p, nil
}

const (
	trialLimit = 2 * time.Second
	trialSkip  = 8 // PostgreSQL may turn to the plan for all values after five
	trialTimes = 9
)

// fastest prepares a floor where it takes the shortest time.
func fastest(pools []*rig.Database, f floor) (best *prepared, err error) {
	var least time.Duration
	for _, pool := range pools {
		p, err := prepare(pool, f)
		if err != nil {
			return nil, err
		}
		took, err := p.trial()
		if errors.Is(err, context.DeadlineExceeded) && len(pools) > 1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if best == nil || took < least {
			best, least = p, took
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no plan answers %d times within %s", trialSkip+trialTimes, trialLimit)
	}
	return best, nil
}

// trial is the median of some times.
func (p *prepared) trial() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), trialLimit)
	defer cancel()
	took, err := p.times(ctx, trialSkip, trialTimes)
	if err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// times reads pages again and again, first without looking at the time.
func (p *prepared) times(ctx context.Context, warmUp, n int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, n)
	for i := range warmUp + n {
		began := time.Now()
		if _, _, err := p.read(ctx, queries.PageSize); err != nil {
			return nil, err
		}
		if i >= warmUp {
			took = append(took, time.Since(began))
		}
	}
	return took, nil
}
