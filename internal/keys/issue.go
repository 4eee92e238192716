package keys

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
	"github.com/keytag/keytag/ent/db/environment"
	"github.com/keytag/keytag/ent/db/keyfamily"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/change"
	"github.com/keytag/keytag/internal/fault"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
	"github.com/keytag/keytag/internal/store"
	"github.com/keytag/keytag/internal/typeid"
	"github.com/keytag/keytag/internal/webhook"
)

// CreateInput says what a new key shall be; see CreateApiKeyInput in the schema.
type CreateInput struct {
	IdempotencyKey *string
	ProjectID      string
	EnvironmentID  *string
	OwnerID        *string
	Name           *string
	Description    *string
	Scopes         []string
	ExpiresAt      *time.Time
	ExpiresIn      *lifecycle.Period
	AllowedIPs     []string
	Rotation       *ScheduleInput
	Notification   *NotificationInput
}

// Issued is a new key, or one found again by its idempotency key.
type Issued struct {
	APIKey   *View
	Replayed bool
	Warnings []string
	secret   secret.Secret
	signer   webhook.Secret
}

// Secret is the whole key text, nil when there is none to show.
func (i Issued) Secret() *string { return reveal(i.secret) }

// WebhookSecret signs the rotation webhook, nil when none was given.
func (i Issued) WebhookSecret() *string { return revealSigner(i.signer) }

func reveal(s secret.Secret) *string {
	if s.IsZero() {
		return nil
	}
	text := s.Reveal()
	return &text
}

// Create makes a new key in the name of the caller. It answers user errors: InputError, ScopeError,
// ExpiryOutOfRangeError, DescriptionTakenError.
func (a *Authority) Create(ctx context.Context, in CreateInput) (Issued, error) {
	now := a.now()
	request, err := idempotent("createApiKey", in.IdempotencyKey, in)
	if err != nil {
		return Issued{}, err
	}
	return orReplay(request, func() (Issued, error) {
		if earlier, err := a.replay(ctx, now, request, false); err != nil || earlier != nil {
			return earlier.issued(), err
		}
		return a.create(ctx, now, request, in)
	})
}

func (a *Authority) create(ctx context.Context, now time.Time, request *request, in CreateInput) (Issued, error) {
	minted := secret.Mint()
	var made *db.APIKey
	var warnings []string
	var signer webhook.Secret
	err := a.store.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var err error
		if made, warnings, err = a.draft(ctx, tx, now, in); err != nil {
			return err
		}
		if err := insertFamily(ctx, tx, made); err != nil {
			return err
		}
		if err := insert(ctx, tx, made, minted); err != nil {
			return err
		}
		if in.Rotation != nil {
			if signer, err = a.writeSchedule(ctx, tx, now, made, *in.Rotation); err != nil {
				return err
			}
		}
		if in.Notification != nil {
			more, err := a.hooks.Notify(ctx, tx, now, made, *in.Notification)
			if err != nil {
				return prefixed("notification.", err)
			}
			warnings = append(warnings, more...)
		}
		if err := request.remember(ctx, tx, now, made.ID); err != nil {
			return err
		}
		var more []change.Field
		if in.Rotation != nil {
			schedule, err := scheduleOf(principal.System(ctx), tx.Client, made.FamilyID)
			if err != nil {
				return err
			}
			more = scheduleChanges(nil, schedule)
		}
		return recordNew(ctx, tx, now, made, more...)
	})
	if store.Violates(err, "key_families", "owner_id", "description") {
		fields := []string{"description"}
		if in.Description == nil {
			fields = append(fields, "name") // which it was copied from
		}
		return Issued{}, a.descriptionTaken(ctx, now, made.OwnerID, made.Description, fields...)
	}
	if err != nil {
		return Issued{}, err
	}
	return Issued{APIKey: view(ctx, made, now), Warnings: warnings, secret: minted, signer: signer}, nil
}

// draft checks the whole input and answers the row of the key to be, without a digest.
func (a *Authority) draft(ctx context.Context, tx *store.Tx, now time.Time, in CreateInput) (*db.APIKey, []string, error) {
	p := principal.From(ctx)
	name, description, faults := labels(in.Name, in.Description)
	owner, err := ownerOf(ctx, tx, in.OwnerID)
	faults, err = collect(faults, err)
	if err != nil {
		return nil, nil, err
	}
	project, err := place(ctx, tx, in.ProjectID, in.EnvironmentID)
	faults, err = collect(faults, err)
	if err != nil {
		return nil, nil, err
	}
	scopes, scopeFault := wellFormedScopes("scopes", in.Scopes)
	if scopeFault == nil && project != nil {
		if scopeFault = unknownTo(project, scopes); scopeFault == nil {
			scopeFault = notToGive(p, scopes)
		}
	}
	if scopeFault != nil {
		faults = append(faults, scopeFault)
	}
	allowedIPs, ipFault := networks(in.AllowedIPs)
	if ipFault != nil {
		faults = append(faults, ipFault)
	} else {
		faults = append(faults, looser(ctx, in.EnvironmentID, allowedIPs)...)
	}
	if project == nil {
		return nil, nil, faults
	}
	policy, err := policyOf(ctx, tx, project.OrganizationID, project.ID)
	if err != nil {
		return nil, nil, err
	}
	latest := policy.latestEnd(now)
	expiresAt, expiryFault := expiry{in.ExpiresAt, in.ExpiresIn}.resolve(now, latest, latest)
	if expiryFault != nil {
		faults = append(faults, expiryFault)
	}
	made := &db.APIKey{CreatedAt: now, ExpiresAt: &expiresAt}
	if in.Rotation != nil && expiryFault == nil {
		faults = append(faults, in.Rotation.check(a.outbound, "rotation.", policy, made, now)...)
	}
	if len(faults) > 0 {
		return nil, nil, faults
	}
	return &db.APIKey{
		ID:                  typeid.New(typeid.APIKey, now),
		OrganizationID:      owner.OrganizationID,
		ProjectID:           project.ID,
		EnvironmentID:       in.EnvironmentID,
		OwnerID:             owner.ID,
		CreatedByID:         &p.UserID,
		Name:                name,
		Description:         description,
		Scopes:              scopes,
		AllowedIps:          allowedIPs,
		FamilyID:            typeid.New(typeid.KeyFamily, now),
		Generation:          1,
		CreatedAt:           now,
		UpdatedAt:           now,
		ExpiresAt:           &expiresAt,
		InactivityExpiresAt: policy.inactivityEnd(now),
	}, deprecations(project, scopes), nil
}

// collect puts user errors with the others and lets every other error through.
func collect(faults fault.List, err error) (fault.List, error) {
	found, err := fault.Split(err)
	return append(faults, found...), err
}

// prefixed names the fields of user errors behind that of the input they are members of.
func prefixed(prefix string, err error) error {
	list, err := fault.Split(err)
	for _, e := range list {
		if e, ok := e.(*fault.InputError); ok {
			for i := range e.Fields {
				e.Fields[i] = prefix + e.Fields[i]
			}
		}
	}
	if err != nil {
		return err
	}
	return list.OrNil()
}

// ownerOf is the user a new key shall act as: the viewer, or for administrators anyone in the
// organization who may use API keys.
func ownerOf(ctx context.Context, tx *store.Tx, id *string) (*db.User, error) {
	p := principal.From(ctx)
	ownerID := p.UserID
	if id != nil {
		if err := typeid.Want(typeid.User, "ownerId", *id); err != nil {
			return nil, err
		}
		if ownerID = *id; ownerID != p.UserID && !p.IsAdmin() {
			return nil, fault.Input(fault.CodeForbidden, "only administrators create keys for others", "ownerId")
		}
	}
	owner, err := tx.User.Get(ctx, ownerID)
	switch {
	case db.IsNotFound(err):
		return nil, fault.NotFound("owner", "ownerId")
	case err != nil:
		return nil, err
	}
	return owner, mayOwn(owner)
}

// mayOwn refuses a key to a user that could not use it.
func mayOwn(owner *db.User) error {
	switch {
	case owner.DisabledAt != nil:
		return fault.Input("api_keys.owner_disabled", "the owner is disabled", "ownerId")
	case !owner.MayUseAPIKeys:
		return fault.Input("api_keys.owner_not_privileged", "the owner may not use API keys", "ownerId")
	}
	return nil
}

// place is the project, after checking that the environment is one of it.
func place(ctx context.Context, tx *store.Tx, projectID string, environmentID *string) (*db.Project, error) {
	if err := typeid.Want(typeid.Project, "projectId", projectID); err != nil {
		return nil, err
	}
	project, err := tx.Project.Get(ctx, projectID)
	switch {
	case db.IsNotFound(err):
		return nil, fault.NotFound("project", "projectId")
	case err != nil:
		return nil, err
	case environmentID == nil:
		return project, nil
	}
	if err := typeid.Want(typeid.Environment, "environmentId", *environmentID); err != nil {
		return nil, err
	}
	found, err := tx.Environment.Query().
		Where(environment.ID(*environmentID), environment.ProjectID(projectID)).Exist(ctx)
	if err == nil && !found {
		err = fault.NotFound("environment of this project", "environmentId")
	}
	return project, err
}

// insertFamily writes the family of a key that is the first of its line; the unique index on it
// refuses a description that the owner uses already.
func insertFamily(ctx context.Context, tx *store.Tx, first *db.APIKey) error {
	return tx.KeyFamily.Create().
		SetID(first.FamilyID).
		SetOrganizationID(first.OrganizationID).
		SetOwnerID(first.OwnerID).
		SetDescription(normalised(first.Description)).
		Exec(ctx)
}

// insert writes a drafted key with its scopes and the digest of its secret.
func insert(ctx context.Context, tx *store.Tx, draft *db.APIKey, minted secret.Secret) error {
	digest := minted.Digest()
	draft.KeyPrefix = minted.Prefix()
	err := tx.APIKey.Create().
		SetID(draft.ID).
		SetOrganizationID(draft.OrganizationID).
		SetProjectID(draft.ProjectID).
		SetNillableEnvironmentID(draft.EnvironmentID).
		SetOwnerID(draft.OwnerID).
		SetNillableCreatedByID(draft.CreatedByID).
		SetName(draft.Name).
		SetNameFolded(fold(draft.Name)).
		SetDescription(draft.Description).
		SetScopes(draft.Scopes).
		SetAllowedIps(draft.AllowedIps).
		SetKeyPrefix(draft.KeyPrefix).
		SetDigest(digest[:]).
		SetFamilyID(draft.FamilyID).
		SetGeneration(draft.Generation).
		SetNillableReplacesID(draft.ReplacesID).
		SetNillablePendingSince(draft.PendingSince).
		SetCreatedAt(draft.CreatedAt).
		SetUpdatedAt(draft.UpdatedAt).
		SetNillableExpiresAt(draft.ExpiresAt).
		SetNillableInactivityExpiresAt(draft.InactivityExpiresAt).
		Exec(ctx)
	if err != nil {
		return err
	}
	return insertScopes(ctx, tx, draft, draft.Scopes)
}

// recordNew records that a key was made, and as what.
func recordNew(ctx context.Context, tx *store.Tx, now time.Time, made *db.APIKey, more ...change.Field) error {
	return audit.Record(ctx, tx, audit.Event{
		At: now, Action: "api_key.created", OrganizationID: made.OrganizationID, SubjectID: made.ID, OwnerID: made.OwnerID,
		Changes: append(change.Between(nil, made, recorded), more...),
	})
}

// descriptionTaken finds the owner's key that has the description: the latest of its family.
func (a *Authority) descriptionTaken(ctx context.Context, now time.Time, ownerID, description string, fields ...string) error {
	row, err := a.store.Client.APIKey.Query().
		Where(apikey.OwnerID(ownerID), apikey.HasFamilyWith(keyfamily.Description(normalised(description)), keyfamily.FreedAtIsNil())).
		Order(db.Desc(apikey.FieldGeneration)).
		First(ctx)
	if err != nil && !db.IsNotFound(err) {
		return err
	}
	taken := &DescriptionTakenError{Detail: fault.Detail{
		Code:    "api_keys.description_taken",
		Message: "the owner has another key of this description",
		Fields:  fields,
	}}
	if row != nil {
		taken.ExistingKey = view(ctx, row, now)
	}
	return taken
}

// IssueFirst makes a key that grants everything to an administrator, within the transaction that
// makes the administrator or has found it.
func IssueFirst(ctx context.Context, tx *store.Tx, now time.Time, owner *db.User, projectID, label string) (secret.Secret, error) {
	policy, err := policyOf(ctx, tx, owner.OrganizationID, projectID)
	if err != nil {
		return secret.Secret{}, err
	}
	minted := secret.Mint()
	expires := policy.latestEnd(now)
	first := &db.APIKey{
		ID:                  typeid.New(typeid.APIKey, now),
		OrganizationID:      owner.OrganizationID,
		ProjectID:           projectID,
		OwnerID:             owner.ID,
		Name:                label,
		Description:         label,
		Scopes:              []string{"*"},
		AllowedIps:          []string{},
		FamilyID:            typeid.New(typeid.KeyFamily, now),
		Generation:          1,
		CreatedAt:           now,
		UpdatedAt:           now,
		ExpiresAt:           &expires,
		InactivityExpiresAt: policy.inactivityEnd(now),
	}
	if err := insertFamily(ctx, tx, first); err != nil {
		return secret.Secret{}, err
	}
	if err := insert(ctx, tx, first, minted); err != nil {
		return secret.Secret{}, err
	}
	return minted, recordNew(ctx, tx, now, first)
}
