//go:build keytaghooks

package epoch

import (
	"os"
	"time"
)

// hooks are set by KEYTAG_HOOK_NO_BARRIER (changes wait for nobody) and KEYTAG_HOOK_STALE (how much too late
// what is remembered is forgotten).
var hooks struct {
	noBarrier bool
	stale     time.Duration
}

func init() {
	hooks.noBarrier = os.Getenv("KEYTAG_HOOK_NO_BARRIER") != ""
	hooks.stale, _ = time.ParseDuration(os.Getenv("KEYTAG_HOOK_STALE"))
}
