package lifecycle

import (
	"regexp"
	"sync"
	"time"
	_ "time/tzdata" // the binary knows every zone wherever it runs
)

// zoneName admits one spelling per zone: path elements that mean nothing would let callers grow the
// map, and the host's own zone is none that a user can mean.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

var zones sync.Map // IANA name → *time.Location

// Zone looks an IANA time zone up by its name. The host's own zone ("Local") and the empty name are
// none.
func Zone(name string) (*time.Location, bool) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), true
	}
	if name == "Local" || !zoneName.MatchString(name) {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	zones.Store(name, zone)
	return zone, true
}
