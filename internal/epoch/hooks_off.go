//go:build !keytaghooks

package epoch

import "time"

// hooks break what this package promises, so that a test can show that it would notice. Only a build with
// the tag keytaghooks can set them.
var hooks struct {
	noBarrier bool
	stale     time.Duration
	deaf      bool
}
