package main

import (
	"context"
	"fmt"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

// figures are those of one run.
type figures struct {
	rate     float64 // requests a second
	cpu      float64 // of the server's process, µs a request
	p50, p99 float64 // ms
}

// between are the figures in the middle of two.
func between(a, b figures) figures {
	return figures{(a.rate + b.rate) / 2, (a.cpu + b.cpu) / 2, (a.p50 + b.p50) / 2, (a.p99 + b.p99) / 2}
}

// measure runs every case once a round, and the bare handler right before and after it: a machine that changes its
// speed changes it for both.
func (p plan) measure(ctx context.Context, bare *kase, cases []*kase) error {
	before, err := bare.run(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range cases {
		got, err := c.run(ctx, p)
		if err != nil {
			return err
		}
		after, err := bare.run(ctx, p)
		if err != nil {
			return err
		}
		c.runs, c.beside = append(c.runs, got), append(c.beside, between(before, after))
		bare.runs, bare.beside = append(bare.runs, after), append(bare.beside, before)
		before = after
	}
	return nil
}

// run is one run of a case.
func (c *kase) run(ctx context.Context, p plan) (got figures, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", c.name, err)
		}
	}()
	rig.Settle(ctx)
	span := max(p.span(), c.span)
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	if c.company == nil {
		ended <- nil
	} else {
		if err := c.company.prepare(ctx, c.server, p.span()/4+span); err != nil {
			return got, err
		}
		go func() { ended <- c.company.run(running, c.server) }()
	}
	load, err := rig.NewLoad(c.server.Address, p.connections)
	if err != nil {
		return got, err
	}
	defer load.Close()
	load.Statuses = c.statuses
	load.Next = func() []byte {
		c.next++
		return c.requests[c.next%len(c.requests)]
	}
	if _, err := load.Run(p.span()/4, nil); err != nil {
		return got, err
	}
	used := c.server.CPU()
	began := time.Now()
	took, err := load.Run(span, make([]time.Duration, 0, 1<<18))
	if err != nil {
		return got, err
	}
	lasted := time.Since(began)
	n := float64(len(took))
	got = figures{n / lasted.Seconds(), (c.server.CPU() - used).Seconds() * 1e6 / n, rig.Part(took, .5), rig.Part(took, .99)}
	c.resident = c.server.Resident()
	if c.company != nil {
		if err := c.company.measured(ctx); err != nil {
			return got, err
		}
	}
	stop()
	return got, <-ended
}
