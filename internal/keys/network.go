package keys

import (
	"net/netip"
	"slices"

	"github.com/keytag/keytag/internal/fault"
)

const maxAllowedIPs = 100

// networks brings CIDR blocks (RFC 4632, RFC 4291) to their canonical form, sorted and without
// duplicates. A bare address is a block of one; host bits are refused, since they hide a mistake.
func networks(asked []string) ([]string, fault.UserError) {
	if len(asked) > maxAllowedIPs {
		return nil, tooMany("allowedIps", maxAllowedIPs)
	}
	blocks := make([]string, 0, len(asked))
	for _, text := range asked {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil || address.Zone() != "" {
				return nil, fault.Invalid("allowedIps must be CIDR blocks such as 192.0.2.0/24 or 2001:db8::/32", "allowedIps")
			}
			block = netip.PrefixFrom(address, address.BitLen())
		}
		if block.Addr().Is4In6() {
			return nil, fault.Invalid("allowedIps must give IPv4 blocks as such, not mapped into IPv6", "allowedIps")
		}
		if block.Masked() != block {
			return nil, fault.Invalid("allowedIps must not have bits set beyond the prefix length; did you mean "+block.Masked().String()+"?", "allowedIps")
		}
		blocks = append(blocks, block.String())
	}
	slices.Sort(blocks)
	return slices.Compact(blocks), nil
}

// addressAllowed reports whether a key bound to blocks may be used from ip. Without blocks it may
// be used from anywhere; with them not from an unknown address.
func addressAllowed(blocks []string, ip netip.Addr) bool {
	if len(blocks) == 0 {
		return true
	}
	ip = ip.Unmap()
	for _, text := range blocks {
		if block, err := netip.ParsePrefix(text); err == nil && block.Contains(ip) {
			return true
		}
	}
	return false
}

// wider reports whether blocks admit an address that bounds do not.
func wider(bounds, blocks []string) bool {
	return len(blocks) == 0 && len(bounds) > 0 ||
		slices.ContainsFunc(blocks, func(block string) bool { return !within(bounds, block) })
}

// within reports whether every address of the block lies in one of blocks.
func within(blocks []string, block string) bool {
	inner, err := netip.ParsePrefix(block)
	if err != nil {
		return false
	}
	for _, text := range blocks {
		outer, err := netip.ParsePrefix(text)
		if err == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr()) {
			return true
		}
	}
	return len(blocks) == 0
}
