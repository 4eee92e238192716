package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/keytag/keytag/internal/benchdata/queries"
	"github.com/keytag/keytag/internal/benchdata/rig"
)

// timing is a query on a target: milliseconds of each run, and what is made of them.
type timing struct {
	p50s, p99s, floors []float64
	p50, p99, floor    rig.Spread
	ratio              rig.Spread // of p50 to the floor, run by run
	rows               reading    // PostgreSQL only
}

// against is the server beside the handler by hand, for the newest page of a project.
type against struct {
	target               *target
	serverP50, bareP50   rig.Spread // ms, at one connection
	serverRate, bareRate rig.Spread // requests a second, over several connections
	share                rig.Spread // of the rates, run by run
}

// results are everything that was measured, in the order of the targets and their queries.
type results struct {
	plan    *plan
	targets []*target
	timings [][]timing
	against []against
}

const compared = "newest" // the query that the handler by hand answers too

// measure asks everything in rounds, so that whatever disturbs the machine for a while disturbs all.
func (p *plan) measure(ctx context.Context, targets []*target) (*results, error) {
	r := &results{plan: p, targets: targets}
	for _, t := range targets {
		r.timings = append(r.timings, make([]timing, len(t.queries)))
	}
	for round := range p.runs {
		fmt.Printf("round %d of %d\n", round+1, p.runs)
		for q := range targets[0].queries {
			for i, t := range targets {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				if err := p.run(t, q, &r.timings[i][q]); err != nil {
					return nil, fmt.Errorf("%s: %s: %w", t, t.queries[q].Name, err)
				}
			}
		}
	}
	for i, t := range targets {
		for q := range t.queries {
			r.timings[i][q].finish()
		}
		if t.sqlite {
			continue
		}
		rows, err := t.readings(ctx, p.seed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		for q := range rows {
			r.timings[i][q].rows = rows[q]
		}
	}
	return r, r.compareRates(ctx)
}

// run asks for the floor and then the server.
func (p *plan) run(t *target, q int, into *timing) error {
	floor, err := p.floorTimes(t, t.queries[q].Name)
	if err != nil {
		return err
	}
	server, err := t.toServer.Times(t.requests[q], p.warmUp, p.requests)
	if err != nil {
		return err
	}
	into.floors = append(into.floors, rig.Part(floor, .5))
	into.p50s = append(into.p50s, rig.Part(server, .5))
	into.p99s = append(into.p99s, rig.Part(server, .99))
	return nil
}

func (p *plan) floorTimes(t *target, name string) (took []time.Duration, err error) {
	body, err := t.toBare.Ask(rig.Post(fmt.Sprintf("/time/%s?warm-up=%d&n=%d", name, p.warmUp, p.requests), "", ""))
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(body, &took)
	return took, err
}

func (t *timing) finish() {
	t.p50, t.p99, t.floor = rig.SpreadOf(t.p50s), rig.SpreadOf(t.p99s), rig.SpreadOf(t.floors)
	t.ratio = rig.SpreadOf(rig.Ratios(t.p50s, t.floors))
}

// compareRates sets the server beside the handler by hand, on the largest database of each kind.
func (r *results) compareRates(ctx context.Context) error {
	for i, t := range r.targets {
		q := slices.IndexFunc(t.queries, func(q queries.Query) bool { return q.Name == compared })
		if q < 0 || i+1 < len(r.targets) && r.targets[i+1].sqlite == t.sqlite {
			continue
		}
		a, err := r.plan.compareRates(ctx, t, t.requests[q])
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		r.against = append(r.against, *a)
	}
	return nil
}

func (p *plan) compareRates(ctx context.Context, t *target, request []byte) (*against, error) {
	type side struct {
		request     []byte
		connections []*rig.Connection
		p50s, rates []float64
	}
	sides := [2]*side{{request: rig.Post("/page/"+compared, "", "{}")}, {request: request}}
	for i, address := range []string{t.bare.Address, t.server.Address} {
		for range bareConnections {
			c, err := rig.Dial(ctx, address)
			if err != nil {
				return nil, err
			}
			defer c.Close()
			sides[i].connections = append(sides[i].connections, c)
		}
	}
	for range p.runs {
		for _, s := range sides {
			took, err := s.connections[0].Times(s.request, p.warmUp, p.requests)
			if err != nil {
				return nil, err
			}
			s.p50s = append(s.p50s, rig.Part(took, .5))
			rate, err := throughput(s.connections, s.request, p.concurrently/4, p.concurrently)
			if err != nil {
				return nil, err
			}
			s.rates = append(s.rates, rate)
		}
	}
	bare, server := sides[0], sides[1]
	return &against{
		target:    t,
		serverP50: rig.SpreadOf(server.p50s), bareP50: rig.SpreadOf(bare.p50s),
		serverRate: rig.SpreadOf(server.rates), bareRate: rig.SpreadOf(bare.rates),
		share: rig.SpreadOf(rig.Ratios(server.rates, bare.rates)),
	}, nil
}

// throughput is how many requests a second are answered over all connections, of n after the warm-up.
func throughput(connections []*rig.Connection, request []byte, warmUp, n int) (float64, error) {
	began := time.Now()
	for _, count := range []int{warmUp, n} {
		began = time.Now()
		failed := make(chan error, len(connections))
		for i, c := range connections {
			go func() {
				_, err := c.Times(request, 0, count*(i+1)/len(connections)-count*i/len(connections))
				failed <- err
			}()
		}
		var failures []error
		for range connections {
			failures = append(failures, <-failed)
		}
		if err := errors.Join(failures...); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
