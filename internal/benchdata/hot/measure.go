package main

import (
	"context"
	"time"

	"github.com/keytag/keytag/internal/benchdata/rig"
)

// measure is one run of a case.
func (c *kase) measure(ctx context.Context, p plan) (err error) {
	rig.Settle(ctx)
	span := max(p.span(), c.span)
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	if c.beside == nil {
		ended <- nil
	} else {
		if err := c.beside.prepare(ctx, c.server, p.span()/4+span); err != nil {
			return err
		}
		go func() { ended <- c.beside.run(running, c.server) }()
	}
	load, err := rig.NewLoad(c.server.Address, p.connections)
	if err != nil {
		return err
	}
	defer load.Close()
	load.Statuses = c.statuses
	load.Next = func() []byte {
		c.next++
		return c.requests[c.next%len(c.requests)]
	}
	if _, err := load.Run(p.span()/4, nil); err != nil {
		return err
	}
	used := c.server.CPU()
	began := time.Now()
	took, err := load.Run(span, make([]time.Duration, 0, 1<<18))
	if err != nil {
		return err
	}
	lasted := time.Since(began)
	n := float64(len(took))
	c.rates = append(c.rates, n/lasted.Seconds())
	c.cpus = append(c.cpus, (c.server.CPU()-used).Seconds()*1e6/n)
	c.p50s = append(c.p50s, rig.Part(took, .5))
	c.p99s = append(c.p99s, rig.Part(took, .99))
	c.resident = c.server.Resident()
	if c.beside != nil {
		if err := c.beside.measured(ctx); err != nil {
			return err
		}
	}
	stop()
	return <-ended
}
