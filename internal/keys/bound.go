package keys

import (
	"context"

	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/principal"
)

// looser refuses a key that could be used where the calling key cannot: in another environment, or from
// other addresses. Administrators may make one.
func looser(ctx context.Context, environmentID *string, allowedIPs []string) fault.List {
	c, p := callerFrom(ctx), principal.From(ctx)
	if c == nil || p.IsAdmin() {
		return nil
	}
	var faults fault.List
	if own := c.key.EnvironmentID; own != nil && (environmentID == nil || *environmentID != *own) {
		faults = append(faults, fault.Input(fault.CodeForbidden, "the calling key is bound to an environment, and so must be the keys it makes: "+*own, "environmentId"))
	}
	if wider(c.key.AllowedIps, allowedIPs) {
		faults = append(faults, fault.Input(fault.CodeForbidden, "the calling key is bound to addresses, and so must be the keys it makes", "allowedIps"))
	}
	return faults
}
