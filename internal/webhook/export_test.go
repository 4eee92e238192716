package webhook

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"
)

// What tests change of a client before its first delivery.

func (c *Client) SetLimit(limit time.Duration)  { c.limit = limit }
func (c *Client) SetResolver(r *net.Resolver)   { c.resolver = r }
func (c *Client) SetRoots(roots *x509.CertPool) { c.roots = roots }
func (c *Client) TakeForPublic(one netip.AddrPort) {
	before := c.permitted
	c.permitted = func(to netip.AddrPort) bool { return to == one || before(to) }
}

// Dial connects past CheckURL.
func (c *Client) Dial(ctx context.Context, address string) (net.Conn, error) {
	return c.dial(ctx, "tcp", address)
}

var (
	Public       = public
	ErrNotPublic = errNotPublic
)
