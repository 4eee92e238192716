package lifecycle

// RotationDelivery says how the holder of a key gets the secret of its successor. Values are those of
// the GraphQL enum of that name.
type RotationDelivery string

const (
	// Claim: the webhook announces, the holder claims with the old key and the claim token.
	Claim RotationDelivery = "CLAIM"
	// Inline: the webhook carries the secret.
	Inline RotationDelivery = "INLINE"
)

// RotationStatus is how far a rotation has come. Values are those of the GraphQL enum of that name.
type RotationStatus string

const (
	WaitingForClaim RotationStatus = "WAITING_FOR_CLAIM"
	Delivering      RotationStatus = "DELIVERING"
	InGrace         RotationStatus = "IN_GRACE"
	// RotationCompleted is never stored: it is IN_GRACE once the old key's grace is over.
	RotationCompleted RotationStatus = "COMPLETED"
	RotationCanceled  RotationStatus = "CANCELED"
	Stalled           RotationStatus = "STALLED"
)
