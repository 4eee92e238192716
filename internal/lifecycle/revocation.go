package lifecycle

// RevocationReason says why a key was revoked. Values are those of the GraphQL enum of that name,
// taken from the reason codes of RFC 5280 §5.3.1 that make sense for a key.
type RevocationReason string

const (
	Unspecified          RevocationReason = "UNSPECIFIED"
	KeyCompromise        RevocationReason = "KEY_COMPROMISE"
	Superseded           RevocationReason = "SUPERSEDED"
	AffiliationChanged   RevocationReason = "AFFILIATION_CHANGED"
	PrivilegeWithdrawn   RevocationReason = "PRIVILEGE_WITHDRAWN"
	CessationOfOperation RevocationReason = "CESSATION_OF_OPERATION"
)
