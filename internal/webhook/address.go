package webhook

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// special are the ranges, within IPv4 and within the global unicast space of IPv6, that lead
// elsewhere than to one host of the public internet: the IANA special-purpose registries, and one
// address of a cloud.
var special = prefixes(
	"0.0.0.0/8",        // this network; Linux takes it for loopback
	"10.0.0.0/8",       // private
	"100.64.0.0/10",    // carrier-grade NAT; metadata at Alibaba
	"127.0.0.0/8",      // loopback
	"168.63.129.16/32", // the host's services at Azure
	"169.254.0.0/16",   // link-local; metadata at most clouds
	"172.16.0.0/12",    // private
	"192.0.0.0/24",     // protocol assignments; metadata at Oracle
	"192.0.2.0/24",     // documentation
	"192.88.99.0/24",   // 6to4 relays
	"192.168.0.0/16",   // private
	"198.18.0.0/15",    // benchmarking
	"198.51.100.0/24",  // documentation
	"203.0.113.0/24",   // documentation
	"224.0.0.0/4",      // multicast
	"240.0.0.0/4",      // reserved; broadcast

	"2001::/23",     // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which wraps IPv4
	"3fff::/20",     // documentation
)

// globalUnicast is all of IPv6 that is given out. Outside lie ::/96, 64:ff9b::/96, 64:ff9b:1::/48,
// 100::/64, fc00::/7, fe80::/10, fec0::/10, ff00::/8 and whatever is still to be assigned.
var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

// public reports whether an address is one host of the public internet. The zero Addr is not.
func public(addr netip.Addr) bool {
	addr = addr.Unmap()
	return (addr.Is4() || globalUnicast.Contains(addr)) &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// literal reads a host as an address in any spelling that inet_aton or a browser takes: parts in
// decimal, octal or hexadecimal, the last one filling what is left, a dot at the end. It reports
// false for a name. A host that can only be meant as an address and is none answers the zero Addr.
func literal(host string) (netip.Addr, bool) {
	if strings.Contains(host, ":") {
		addr, _ := netip.ParseAddr(host)
		return addr, true
	}
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if !endsInNumber(parts[len(parts)-1]) {
		return netip.Addr{}, false
	}
	if len(parts) > 4 {
		return netip.Addr{}, true
	}
	var value uint64
	for i, part := range parts {
		n, err := parsePart(part)
		rest := 8
		if i == len(parts)-1 {
			rest = 8 * (4 - i)
		}
		if err != nil || n >= 1<<rest {
			return netip.Addr{}, true
		}
		value = value<<rest | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

// endsInNumber is how the URL standard tells an IPv4 address from a name, by the last label.
func endsInNumber(label string) bool {
	if label != "" && strings.Trim(label, "0123456789") == "" {
		return true
	}
	_, err := parsePart(label)
	return err == nil
}

func parsePart(text string) (uint64, error) {
	switch digits := strings.ToLower(text); {
	case digits == "0x": // a browser reads 0
		return 0, nil
	case strings.HasPrefix(digits, "0x"):
		return strconv.ParseUint(digits[2:], 16, 64)
	case len(digits) > 1 && digits[0] == '0':
		return strconv.ParseUint(digits, 8, 64)
	default:
		return strconv.ParseUint(digits, 10, 64)
	}
}
