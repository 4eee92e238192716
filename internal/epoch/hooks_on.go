//go:build keytaghooks

package epoch

import (
	"os"
	"time"
)

// hooks are set by KEYTAG_HOOK_NO_BARRIER (changes wait for nobody), KEYTAG_HOOK_STALE (how much too late
// what is remembered is forgotten) and KEYTAG_HOOK_DEAF (no notification is heard).
var hooks struct {
	noBarrier bool
	stale     time.Duration
	deaf      bool
}

func init() {
	hooks.noBarrier = os.Getenv("KEYTAG_HOOK_NO_BARRIER") != ""
	hooks.deaf = os.Getenv("KEYTAG_HOOK_DEAF") != ""
	hooks.stale, _ = time.ParseDuration(os.Getenv("KEYTAG_HOOK_STALE"))
}
