package graph

import (
	"context"
	"time"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/graph/generated"
	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/audit"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/lifecycle"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
)

// User is the resolver for the user field.
func (r *actorResolver) User(ctx context.Context, obj *keys.Actor) (*db.User, error) {
	return loading(ctx).users.findAny(ctx, obj.UserID)
}

// APIKey is the resolver for the apiKey field.
func (r *actorResolver) APIKey(ctx context.Context, obj *keys.Actor) (*keys.View, error) {
	return loading(ctx).keys.findAny(ctx, obj.KeyID)
}

// ProcessName is the resolver for the processName field.
func (r *alertJobResolver) ProcessName(ctx context.Context, obj *db.Job) (string, error) {
	return string(obj.Kind), nil
}

// APIKey is the resolver for the apiKey field.
func (r *alertJobResolver) APIKey(ctx context.Context, obj *db.Job) (*keys.View, error) {
	return loading(ctx).keys.find(ctx, obj.KeyID)
}

// AlertSource is the resolver for the alertSource field.
func (r *alertJobResolver) AlertSource(ctx context.Context, obj *db.Job) (alert.Source, error) {
	return loading(ctx).sources.findAny(ctx, obj.AlertSourceID)
}

// TotalCount is the resolver for the totalCount field.
func (r *alertSourceConnectionResolver) TotalCount(ctx context.Context, obj *model.AlertSourceConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// Owner is the resolver for the owner field.
func (r *apiKeyResolver) Owner(ctx context.Context, obj *keys.View) (*db.User, error) {
	if row, loaded := eager(obj.Edges.OwnerOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).users.find(ctx, obj.OwnerID)
}

// CreatedBy is the resolver for the createdBy field.
func (r *apiKeyResolver) CreatedBy(ctx context.Context, obj *keys.View) (*db.User, error) {
	if row, loaded := eager(obj.Edges.CreatedByOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).users.findAny(ctx, obj.CreatedByID)
}

// Organization is the resolver for the organization field.
func (r *apiKeyResolver) Organization(ctx context.Context, obj *keys.View) (*db.Organization, error) {
	if row, loaded := eager(obj.Edges.OrganizationOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).organizations.find(ctx, obj.OrganizationID)
}

// Project is the resolver for the project field.
func (r *apiKeyResolver) Project(ctx context.Context, obj *keys.View) (*db.Project, error) {
	if row, loaded := eager(obj.Edges.ProjectOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).projects.find(ctx, obj.ProjectID)
}

// Environment is the resolver for the environment field.
func (r *apiKeyResolver) Environment(ctx context.Context, obj *keys.View) (*db.Environment, error) {
	if row, loaded := eager(obj.Edges.EnvironmentOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).environments.findAny(ctx, obj.EnvironmentID)
}

// Replaces is the resolver for the replaces field.
func (r *apiKeyResolver) Replaces(ctx context.Context, obj *keys.View) (*keys.View, error) {
	if row, loaded := eager(obj.Edges.ReplacesOrErr()); loaded {
		return obj.Beside(row), nil
	}
	return loading(ctx).keys.findAny(ctx, obj.ReplacesID)
}

// ReplacedBy is the resolver for the replacedBy field.
func (r *apiKeyResolver) ReplacedBy(ctx context.Context, obj *keys.View) (*keys.View, error) {
	if row, loaded := eager(obj.Edges.ReplacedByOrErr()); loaded {
		return obj.Beside(row), nil
	}
	return loading(ctx).keys.findAny(ctx, obj.ReplacedByID)
}

// Rotation is the resolver for the rotation field.
func (r *apiKeyResolver) Rotation(ctx context.Context, obj *keys.View) (*keys.Schedule, error) {
	return r.schedule(ctx, obj)
}

// LastRotation is the resolver for the lastRotation field.
func (r *apiKeyResolver) LastRotation(ctx context.Context, obj *keys.View) (*keys.Rotation, error) {
	last, err := loading(ctx).lastRotations.find(ctx, obj.ID)
	return last.Of(obj), err
}

// Notification is the resolver for the notification field.
func (r *apiKeyResolver) Notification(ctx context.Context, obj *keys.View) (*db.Notification, error) {
	if row, loaded := eager(obj.Edges.NotificationOrErr()); loaded {
		return row, nil
	}
	return loading(ctx).notificationsOf.find(ctx, obj.ID)
}

// AuditEvents is the resolver for the auditEvents field.
func (r *apiKeyResolver) AuditEvents(ctx context.Context, obj *keys.View, first *int, after *string, last *int, before *string) (*model.AuditEventConnection, error) {
	return loading(ctx).eventConnection(r.Trail.Find(ctx, &audit.Filter{SubjectID: &obj.ID}, page.Args{First: first, After: after, Last: last, Before: before}))
}

// Can is the resolver for the can field.
func (r *apiKeyResolver) Can(ctx context.Context, obj *keys.View, scopes []string, environmentID *string, at *time.Time) (*keys.Permission, error) {
	owner, err := r.Owner(ctx, obj)
	if err != nil {
		return nil, err
	}
	return r.Keys.Can(ctx, obj, keys.Question{Scopes: scopes, EnvironmentID: environmentID, At: at, Owner: owner, Home: loading(ctx).homes.find})
}

// TotalCount is the resolver for the totalCount field.
func (r *apiKeyConnectionResolver) TotalCount(ctx context.Context, obj *model.APIKeyConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// TotalCountIsEstimate is the resolver for the totalCountIsEstimate field.
func (r *apiKeyConnectionResolver) TotalCountIsEstimate(ctx context.Context, obj *model.APIKeyConnection) (bool, error) {
	_, estimate, err := total(ctx, obj.Connection)
	return estimate, err
}

// APIKey is the resolver for the apiKey field.
func (r *apiKeyNotificationResolver) APIKey(ctx context.Context, obj *db.Notification) (*keys.View, error) {
	return loading(ctx).keys.find(ctx, obj.KeyID)
}

// AlertSource is the resolver for the alertSource field.
func (r *apiKeyNotificationResolver) AlertSource(ctx context.Context, obj *db.Notification) (alert.Source, error) {
	return loading(ctx).sources.find(ctx, obj.AlertSourceID)
}

// Job is the resolver for the job field.
func (r *apiKeyNotificationResolver) Job(ctx context.Context, obj *db.Notification) (*db.Job, error) {
	return loading(ctx).jobs.find(ctx, obj.JobID)
}

// PreviousJobs is the resolver for the previousJobs field.
func (r *apiKeyNotificationResolver) PreviousJobs(ctx context.Context, obj *db.Notification) ([]*db.Job, error) {
	made, err := loading(ctx).jobsFor.find(ctx, obj.ID)
	return alert.Previous(obj, made), err
}

// Actor is the resolver for the actor field.
func (r *auditEventResolver) Actor(ctx context.Context, obj *db.AuditEvent) (*keys.Actor, error) {
	return &keys.Actor{UserID: obj.ActorUserID, KeyID: obj.ActorKeyID}, nil
}

// Subject is the resolver for the subject field.
func (r *auditEventResolver) Subject(ctx context.Context, obj *db.AuditEvent) (model.Node, error) {
	return node(ctx, obj.SubjectID)
}

// TotalCount is the resolver for the totalCount field.
func (r *auditEventConnectionResolver) TotalCount(ctx context.Context, obj *model.AuditEventConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// Project is the resolver for the project field.
func (r *environmentResolver) Project(ctx context.Context, obj *db.Environment) (*db.Project, error) {
	return loading(ctx).projects.find(ctx, obj.ProjectID)
}

// APIKeys is the resolver for the apiKeys field.
func (r *environmentResolver) APIKeys(ctx context.Context, obj *db.Environment, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return loading(ctx).keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Within:  keys.Filter{EnvironmentIDs: []string{obj.ID}, ProjectIDs: []string{obj.ProjectID}},
		Fields:  keyFields(ctx),
	}))
}

// CreateAPIKey is the resolver for the createApiKey field.
func (r *mutationResolver) CreateAPIKey(ctx context.Context, input keys.CreateInput) (*model.CreateAPIKeyPayload, error) {
	issued, err := r.Keys.Create(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.CreateAPIKeyPayload{Issued: issued, UserErrors: userErrors}, err
}

// UpdateAPIKey is the resolver for the updateApiKey field.
func (r *mutationResolver) UpdateAPIKey(ctx context.Context, input keys.UpdateInput) (*model.UpdateAPIKeyPayload, error) {
	key, err := r.Keys.Update(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.UpdateAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// SuspendAPIKey is the resolver for the suspendApiKey field.
func (r *mutationResolver) SuspendAPIKey(ctx context.Context, input keys.SuspendInput) (*model.SuspendAPIKeyPayload, error) {
	key, err := r.Keys.Suspend(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.SuspendAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// ResumeAPIKey is the resolver for the resumeApiKey field.
func (r *mutationResolver) ResumeAPIKey(ctx context.Context, input keys.ResumeInput) (*model.ResumeAPIKeyPayload, error) {
	key, err := r.Keys.Resume(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.ResumeAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// RevokeAPIKey is the resolver for the revokeApiKey field.
func (r *mutationResolver) RevokeAPIKey(ctx context.Context, input keys.RevokeInput) (*model.RevokeAPIKeyPayload, error) {
	key, err := r.Keys.Revoke(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.RevokeAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// RemoveAPIKey is the resolver for the removeApiKey field.
func (r *mutationResolver) RemoveAPIKey(ctx context.Context, input keys.RemoveInput) (*model.RemoveAPIKeyPayload, error) {
	userErrors, err := answer(ctx, r.Keys.Remove(ctx, input))
	if err != nil || len(userErrors) > 0 {
		return &model.RemoveAPIKeyPayload{UserErrors: userErrors}, err
	}
	return &model.RemoveAPIKeyPayload{RemovedAPIKeyID: &input.ID, UserErrors: userErrors}, nil
}

// RotateAPIKey is the resolver for the rotateApiKey field.
func (r *mutationResolver) RotateAPIKey(ctx context.Context, input keys.RotateInput) (*model.RotateAPIKeyPayload, error) {
	rotated, err := r.Keys.Rotate(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.RotateAPIKeyPayload{Rotated: rotated, UserErrors: userErrors}, err
}

// RotateViewerKey is the resolver for the rotateViewerKey field.
func (r *mutationResolver) RotateViewerKey(ctx context.Context, input keys.RotateViewerInput) (*model.RotateAPIKeyPayload, error) {
	rotated, err := r.Keys.RotateViewer(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.RotateAPIKeyPayload{Rotated: rotated, UserErrors: userErrors}, err
}

// RevokeViewerKey is the resolver for the revokeViewerKey field.
func (r *mutationResolver) RevokeViewerKey(ctx context.Context, input keys.RevokeViewerInput) (*model.RevokeAPIKeyPayload, error) {
	key, err := r.Keys.RevokeViewer(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.RevokeAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// ClaimRotation is the resolver for the claimRotation field.
func (r *mutationResolver) ClaimRotation(ctx context.Context, input keys.ClaimInput) (*model.RotateAPIKeyPayload, error) {
	rotated, err := r.Keys.Claim(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.RotateAPIKeyPayload{Rotated: rotated, UserErrors: userErrors}, err
}

// CompleteRotation is the resolver for the completeRotation field.
func (r *mutationResolver) CompleteRotation(ctx context.Context, input keys.CompleteInput) (*model.CompleteRotationPayload, error) {
	key, err := r.Keys.Complete(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.CompleteRotationPayload{APIKey: key, UserErrors: userErrors}, err
}

// SetRotationSchedule is the resolver for the setRotationSchedule field.
func (r *mutationResolver) SetRotationSchedule(ctx context.Context, input keys.SetScheduleInput) (*model.SetRotationSchedulePayload, error) {
	scheduled, err := r.Keys.SetSchedule(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.SetRotationSchedulePayload{Scheduled: scheduled, UserErrors: userErrors}, err
}

// TestRotationWebhook is the resolver for the testRotationWebhook field.
func (r *mutationResolver) TestRotationWebhook(ctx context.Context, input model.TestRotationWebhookInput) (*model.TestRotationWebhookPayload, error) {
	tried, err := r.Keys.TestWebhook(ctx, input.ID)
	userErrors, err := answer(ctx, err)
	return &model.TestRotationWebhookPayload{Tried: tried, UserErrors: userErrors}, err
}

// RotateWebhookSecret is the resolver for the rotateWebhookSecret field.
func (r *mutationResolver) RotateWebhookSecret(ctx context.Context, input model.RotateWebhookSecretInput) (*model.RotateWebhookSecretPayload, error) {
	secret, err := r.rotateWebhookSecret(ctx, input.ID)
	userErrors, err := answer(ctx, err)
	return &model.RotateWebhookSecretPayload{WebhookSecret: secret, UserErrors: userErrors}, err
}

// SetAPIKeyNotification is the resolver for the setApiKeyNotification field.
func (r *mutationResolver) SetAPIKeyNotification(ctx context.Context, input alert.SetInput) (*model.SetAPIKeyNotificationPayload, error) {
	notified, err := r.Alerts.Set(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.SetAPIKeyNotificationPayload{Notified: notified, UserErrors: userErrors}, err
}

// CancelAPIKeyNotification is the resolver for the cancelApiKeyNotification field.
func (r *mutationResolver) CancelAPIKeyNotification(ctx context.Context, input alert.CancelInput) (*model.SetAPIKeyNotificationPayload, error) {
	notified, err := r.Alerts.Cancel(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.SetAPIKeyNotificationPayload{Notified: notified, UserErrors: userErrors}, err
}

// CancelAlertJob is the resolver for the cancelAlertJob field.
func (r *mutationResolver) CancelAlertJob(ctx context.Context, input alert.JobInput) (*model.CancelAlertJobPayload, error) {
	worked, err := r.Alerts.CancelJob(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.CancelAlertJobPayload{Worked: worked, UserErrors: userErrors}, err
}

// DeleteAlertJob is the resolver for the deleteAlertJob field.
func (r *mutationResolver) DeleteAlertJob(ctx context.Context, input alert.JobInput) (*model.DeleteAlertJobPayload, error) {
	worked, err := r.Alerts.DeleteJob(ctx, input)
	userErrors, err := answer(ctx, err)
	if err != nil || len(userErrors) > 0 {
		return &model.DeleteAlertJobPayload{UserErrors: userErrors}, err
	}
	return &model.DeleteAlertJobPayload{DeletedAlertJobID: &input.ID, APIKey: worked.APIKey, UserErrors: userErrors}, nil
}

// CreateOperatorMessageAlertSource is the resolver for the createOperatorMessageAlertSource field.
func (r *mutationResolver) CreateOperatorMessageAlertSource(ctx context.Context, input alert.CreateMessageSourceInput) (*model.AlertSourcePayload, error) {
	sourced, err := r.Alerts.CreateMessageSource(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.AlertSourcePayload{Sourced: sourced, UserErrors: userErrors}, err
}

// CreateEmailAlertSource is the resolver for the createEmailAlertSource field.
func (r *mutationResolver) CreateEmailAlertSource(ctx context.Context, input alert.CreateEmailSourceInput) (*model.AlertSourcePayload, error) {
	sourced, err := r.Alerts.CreateEmailSource(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.AlertSourcePayload{Sourced: sourced, UserErrors: userErrors}, err
}

// CreateWebhookAlertSource is the resolver for the createWebhookAlertSource field.
func (r *mutationResolver) CreateWebhookAlertSource(ctx context.Context, input alert.CreateWebhookSourceInput) (*model.AlertSourcePayload, error) {
	sourced, err := r.Alerts.CreateWebhookSource(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.AlertSourcePayload{Sourced: sourced, UserErrors: userErrors}, err
}

// UpdateAlertSource is the resolver for the updateAlertSource field.
func (r *mutationResolver) UpdateAlertSource(ctx context.Context, input alert.UpdateSourceInput) (*model.AlertSourcePayload, error) {
	sourced, err := r.Alerts.Update(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.AlertSourcePayload{Sourced: sourced, UserErrors: userErrors}, err
}

// SetAlertSourceEnabled is the resolver for the setAlertSourceEnabled field.
func (r *mutationResolver) SetAlertSourceEnabled(ctx context.Context, input alert.SetSourceEnabledInput) (*model.AlertSourcePayload, error) {
	sourced, err := r.Alerts.SetEnabled(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.AlertSourcePayload{Sourced: sourced, UserErrors: userErrors}, err
}

// DeleteAlertSource is the resolver for the deleteAlertSource field.
func (r *mutationResolver) DeleteAlertSource(ctx context.Context, input alert.DeleteSourceInput) (*model.DeleteAlertSourcePayload, error) {
	userErrors, err := answer(ctx, r.Alerts.Delete(ctx, input))
	if err != nil || len(userErrors) > 0 {
		return &model.DeleteAlertSourcePayload{UserErrors: userErrors}, err
	}
	return &model.DeleteAlertSourcePayload{DeletedAlertSourceID: &input.ID, UserErrors: userErrors}, nil
}

// ReplyOperatorMessage is the resolver for the replyOperatorMessage field.
func (r *mutationResolver) ReplyOperatorMessage(ctx context.Context, input alert.ReplyInput) (*model.ReplyOperatorMessagePayload, error) {
	message, err := r.Alerts.Reply(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.ReplyOperatorMessagePayload{OperatorMessage: message, UserErrors: userErrors}, err
}

// VerifyAPIKey is the resolver for the verifyApiKey field.
func (r *mutationResolver) VerifyAPIKey(ctx context.Context, input keys.VerifyInput) (*model.VerifyAPIKeyPayload, error) {
	verified, err := r.Keys.Verify(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.VerifyAPIKeyPayload{Verification: verified, UserErrors: userErrors}, err
}

// CreateProject is the resolver for the createProject field.
func (r *mutationResolver) CreateProject(ctx context.Context, input directory.CreateProjectInput) (*model.ProjectPayload, error) {
	project, err := r.Directory.CreateProject(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.ProjectPayload{Project: project, UserErrors: userErrors}, err
}

// UpdateProject is the resolver for the updateProject field.
func (r *mutationResolver) UpdateProject(ctx context.Context, input directory.UpdateProjectInput) (*model.ProjectPayload, error) {
	project, err := r.Directory.UpdateProject(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.ProjectPayload{Project: project, UserErrors: userErrors}, err
}

// CreateEnvironment is the resolver for the createEnvironment field.
func (r *mutationResolver) CreateEnvironment(ctx context.Context, input directory.CreateEnvironmentInput) (*model.EnvironmentPayload, error) {
	environment, err := r.Directory.CreateEnvironment(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.EnvironmentPayload{Environment: environment, UserErrors: userErrors}, err
}

// DeleteEnvironment is the resolver for the deleteEnvironment field.
func (r *mutationResolver) DeleteEnvironment(ctx context.Context, input directory.DeleteEnvironmentInput) (*model.DeleteEnvironmentPayload, error) {
	userErrors, err := answer(ctx, r.Directory.DeleteEnvironment(ctx, input))
	if err != nil || len(userErrors) > 0 {
		return &model.DeleteEnvironmentPayload{UserErrors: userErrors}, err
	}
	return &model.DeleteEnvironmentPayload{DeletedEnvironmentID: &input.ID, UserErrors: userErrors}, nil
}

// UpdateViewer is the resolver for the updateViewer field.
func (r *mutationResolver) UpdateViewer(ctx context.Context, input directory.UpdateViewerInput) (*model.UserPayload, error) {
	user, err := r.Directory.UpdateViewer(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.UserPayload{User: user, UserErrors: userErrors}, err
}

// CreateUser is the resolver for the createUser field.
func (r *mutationResolver) CreateUser(ctx context.Context, input directory.CreateUserInput) (*model.UserPayload, error) {
	user, err := r.Directory.CreateUser(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.UserPayload{User: user, UserErrors: userErrors}, err
}

// UpdateUser is the resolver for the updateUser field.
func (r *mutationResolver) UpdateUser(ctx context.Context, input directory.UpdateUserInput) (*model.UserPayload, error) {
	user, err := r.Directory.UpdateUser(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.UserPayload{User: user, UserErrors: userErrors}, err
}

// UpdateAPIKeyPolicy is the resolver for the updateApiKeyPolicy field.
func (r *mutationResolver) UpdateAPIKeyPolicy(ctx context.Context, input directory.UpdatePolicyInput) (*model.APIKeyPolicyPayload, error) {
	policy, err := r.Directory.UpdatePolicy(ctx, input)
	userErrors, err := answer(ctx, err)
	return &model.APIKeyPolicyPayload{APIKeyPolicy: policy, UserErrors: userErrors}, err
}

// APIKey is the resolver for the apiKey field.
func (r *operatorMessageResolver) APIKey(ctx context.Context, obj *db.OperatorMessage) (*keys.View, error) {
	return loading(ctx).keys.find(ctx, obj.KeyID)
}

// Job is the resolver for the job field.
func (r *operatorMessageResolver) Job(ctx context.Context, obj *db.OperatorMessage) (*db.Job, error) {
	return loading(ctx).jobs.findAny(ctx, obj.JobID)
}

// Status is the resolver for the status field.
func (r *operatorMessageResolver) Status(ctx context.Context, obj *db.OperatorMessage) (alert.MessageStatus, error) {
	return alert.StatusOf(obj), nil
}

// RepliedBy is the resolver for the repliedBy field.
func (r *operatorMessageResolver) RepliedBy(ctx context.Context, obj *db.OperatorMessage) (*db.User, error) {
	return loading(ctx).users.findAny(ctx, obj.RepliedByID)
}

// TotalCount is the resolver for the totalCount field.
func (r *operatorMessageConnectionResolver) TotalCount(ctx context.Context, obj *model.OperatorMessageConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// Policy is the resolver for the policy field.
func (r *organizationResolver) Policy(ctx context.Context, obj *db.Organization) (*directory.Policy, error) {
	return r.Directory.PolicyOf(obj, nil), nil
}

// Projects is the resolver for the projects field.
func (r *organizationResolver) Projects(ctx context.Context, obj *db.Organization, first *int, after *string, last *int, before *string) (*model.ProjectConnection, error) {
	return loading(ctx).projectConnection(r.Directory.Projects(ctx, page.Args{First: first, After: after, Last: last, Before: before}))
}

// SetBy is the resolver for the setBy field.
func (r *policySourceResolver) SetBy(ctx context.Context, obj *directory.PolicySource) (model.Node, error) {
	if obj.Project != nil {
		return obj.Project, nil
	}
	return obj.Organization, nil
}

// Organization is the resolver for the organization field.
func (r *projectResolver) Organization(ctx context.Context, obj *db.Project) (*db.Organization, error) {
	return loading(ctx).organizations.find(ctx, obj.OrganizationID)
}

// Environments is the resolver for the environments field.
func (r *projectResolver) Environments(ctx context.Context, obj *db.Project) ([]*db.Environment, error) {
	return loading(ctx).environmentsOf.find(ctx, obj.ID)
}

// Policy is the resolver for the policy field.
func (r *projectResolver) Policy(ctx context.Context, obj *db.Project) (*directory.Policy, error) {
	organization, err := r.Organization(ctx, obj)
	if organization == nil {
		return nil, err
	}
	return r.Directory.PolicyOf(organization, obj), nil
}

// APIKeys is the resolver for the apiKeys field.
func (r *projectResolver) APIKeys(ctx context.Context, obj *db.Project, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return loading(ctx).keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Within:  keys.Filter{ProjectIDs: []string{obj.ID}},
		Fields:  keyFields(ctx),
	}))
}

// TotalCount is the resolver for the totalCount field.
func (r *projectConnectionResolver) TotalCount(ctx context.Context, obj *model.ProjectConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// Viewer is the resolver for the viewer field.
func (r *queryResolver) Viewer(ctx context.Context) (*db.User, error) {
	return r.Keys.Viewer(ctx), nil
}

// ViewerKey is the resolver for the viewerKey field.
func (r *queryResolver) ViewerKey(ctx context.Context) (*keys.View, error) {
	return r.Keys.ViewerKey(ctx), nil
}

// Node is the resolver for the node field.
func (r *queryResolver) Node(ctx context.Context, id string) (model.Node, error) {
	return node(ctx, id)
}

// Nodes is the resolver for the nodes field.
func (r *queryResolver) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	return nodes(ctx, ids)
}

// APIKey is the resolver for the apiKey field.
func (r *queryResolver) APIKey(ctx context.Context, id string) (*keys.View, error) {
	return r.Keys.Key(ctx, id)
}

// APIKeys is the resolver for the apiKeys field.
func (r *queryResolver) APIKeys(ctx context.Context, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return loading(ctx).keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Fields:  keyFields(ctx),
	}))
}

// User is the resolver for the user field.
func (r *queryResolver) User(ctx context.Context, id string) (*db.User, error) {
	return r.Directory.AskedUser(ctx, id)
}

// Users is the resolver for the users field.
func (r *queryResolver) Users(ctx context.Context, query *string, first *int, after *string, last *int, before *string) (*model.UserConnection, error) {
	return loading(ctx).userConnection(r.Directory.Users(ctx, query, page.Args{First: first, After: after, Last: last, Before: before}))
}

// Organization is the resolver for the organization field.
func (r *queryResolver) Organization(ctx context.Context) (*db.Organization, error) {
	return loading(ctx).organizations.find(ctx, principal.From(ctx).OrganizationID)
}

// Project is the resolver for the project field.
func (r *queryResolver) Project(ctx context.Context, id string) (*db.Project, error) {
	return r.Directory.AskedProject(ctx, id)
}

// Projects is the resolver for the projects field.
func (r *queryResolver) Projects(ctx context.Context, first *int, after *string, last *int, before *string) (*model.ProjectConnection, error) {
	return loading(ctx).projectConnection(r.Directory.Projects(ctx, page.Args{First: first, After: after, Last: last, Before: before}))
}

// AlertSources is the resolver for the alertSources field.
func (r *queryResolver) AlertSources(ctx context.Context, first *int, after *string, last *int, before *string) (*model.AlertSourceConnection, error) {
	return loading(ctx).sourceConnection(r.Alerts.Sources(ctx, page.Args{First: first, After: after, Last: last, Before: before}))
}

// OperatorMessages is the resolver for the operatorMessages field.
func (r *queryResolver) OperatorMessages(ctx context.Context, status *alert.MessageStatus, first *int, after *string, last *int, before *string) (*model.OperatorMessageConnection, error) {
	return loading(ctx).messageConnection(r.Alerts.Messages(ctx, status, page.Args{First: first, After: after, Last: last, Before: before}))
}

// ExpiryForecast is the resolver for the expiryForecast field.
func (r *queryResolver) ExpiryForecast(ctx context.Context, within lifecycle.Period, projectID *string, first *int, after *string, last *int, before *string) (*model.ExpiryForecastConnection, error) {
	return loading(ctx).forecastConnection(r.Alerts.Forecast(ctx, alert.ForecastSearch{
		Within:    within,
		ProjectID: projectID,
		Page:      page.Args{First: first, After: after, Last: last, Before: before},
		With:      forecastKeyFields(ctx),
	}))
}

// AuditEvents is the resolver for the auditEvents field.
func (r *queryResolver) AuditEvents(ctx context.Context, filter *audit.Filter, first *int, after *string, last *int, before *string) (*model.AuditEventConnection, error) {
	return loading(ctx).eventConnection(r.Trail.Find(ctx, filter, page.Args{First: first, After: after, Last: last, Before: before}))
}

// ServerInfo is the resolver for the serverInfo field.
func (r *queryResolver) ServerInfo(ctx context.Context) (*model.ServerInfo, error) {
	return &model.ServerInfo{Version: r.Version, Now: r.Clock(), KeyPattern: secret.Pattern()}, nil
}

// OldKey is the resolver for the oldKey field.
func (r *rotationResolver) OldKey(ctx context.Context, obj *keys.Rotation) (*keys.View, error) {
	if old := obj.Old(); old != nil {
		return old, nil
	}
	return loading(ctx).keys.find(ctx, obj.OldKeyID)
}

// NewKey is the resolver for the newKey field.
func (r *rotationResolver) NewKey(ctx context.Context, obj *keys.Rotation) (*keys.View, error) {
	return loading(ctx).keys.findAny(ctx, obj.NewKeyID)
}

// Organization is the resolver for the organization field.
func (r *userResolver) Organization(ctx context.Context, obj *db.User) (*db.Organization, error) {
	return loading(ctx).organizations.find(ctx, obj.OrganizationID)
}

// APIKeys is the resolver for the apiKeys field.
func (r *userResolver) APIKeys(ctx context.Context, obj *db.User, relation keys.UserRelation, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return loading(ctx).keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Within:  relation.Of(obj.ID),
		Fields:  keyFields(ctx),
	}))
}

// TotalCount is the resolver for the totalCount field.
func (r *userConnectionResolver) TotalCount(ctx context.Context, obj *model.UserConnection) (int, error) {
	n, _, err := total(ctx, obj.Connection)
	return n, err
}

// Actor returns generated.ActorResolver implementation.
func (r *Resolver) Actor() generated.ActorResolver { return &actorResolver{r} }

// AlertJob returns generated.AlertJobResolver implementation.
func (r *Resolver) AlertJob() generated.AlertJobResolver { return &alertJobResolver{r} }

// AlertSourceConnection returns generated.AlertSourceConnectionResolver implementation.
func (r *Resolver) AlertSourceConnection() generated.AlertSourceConnectionResolver {
	return &alertSourceConnectionResolver{r}
}

// ApiKey returns generated.ApiKeyResolver implementation.
func (r *Resolver) ApiKey() generated.ApiKeyResolver { return &apiKeyResolver{r} }

// ApiKeyConnection returns generated.ApiKeyConnectionResolver implementation.
func (r *Resolver) ApiKeyConnection() generated.ApiKeyConnectionResolver {
	return &apiKeyConnectionResolver{r}
}

// ApiKeyNotification returns generated.ApiKeyNotificationResolver implementation.
func (r *Resolver) ApiKeyNotification() generated.ApiKeyNotificationResolver {
	return &apiKeyNotificationResolver{r}
}

// AuditEvent returns generated.AuditEventResolver implementation.
func (r *Resolver) AuditEvent() generated.AuditEventResolver { return &auditEventResolver{r} }

// AuditEventConnection returns generated.AuditEventConnectionResolver implementation.
func (r *Resolver) AuditEventConnection() generated.AuditEventConnectionResolver {
	return &auditEventConnectionResolver{r}
}

// Environment returns generated.EnvironmentResolver implementation.
func (r *Resolver) Environment() generated.EnvironmentResolver { return &environmentResolver{r} }

// Mutation returns generated.MutationResolver implementation.
func (r *Resolver) Mutation() generated.MutationResolver { return &mutationResolver{r} }

// OperatorMessage returns generated.OperatorMessageResolver implementation.
func (r *Resolver) OperatorMessage() generated.OperatorMessageResolver {
	return &operatorMessageResolver{r}
}

// OperatorMessageConnection returns generated.OperatorMessageConnectionResolver implementation.
func (r *Resolver) OperatorMessageConnection() generated.OperatorMessageConnectionResolver {
	return &operatorMessageConnectionResolver{r}
}

// Organization returns generated.OrganizationResolver implementation.
func (r *Resolver) Organization() generated.OrganizationResolver { return &organizationResolver{r} }

// PolicySource returns generated.PolicySourceResolver implementation.
func (r *Resolver) PolicySource() generated.PolicySourceResolver { return &policySourceResolver{r} }

// Project returns generated.ProjectResolver implementation.
func (r *Resolver) Project() generated.ProjectResolver { return &projectResolver{r} }

// ProjectConnection returns generated.ProjectConnectionResolver implementation.
func (r *Resolver) ProjectConnection() generated.ProjectConnectionResolver {
	return &projectConnectionResolver{r}
}

// Query returns generated.QueryResolver implementation.
func (r *Resolver) Query() generated.QueryResolver { return &queryResolver{r} }

// Rotation returns generated.RotationResolver implementation.
func (r *Resolver) Rotation() generated.RotationResolver { return &rotationResolver{r} }

// User returns generated.UserResolver implementation.
func (r *Resolver) User() generated.UserResolver { return &userResolver{r} }

// UserConnection returns generated.UserConnectionResolver implementation.
func (r *Resolver) UserConnection() generated.UserConnectionResolver {
	return &userConnectionResolver{r}
}

type (
	actorResolver                     struct{ *Resolver }
	alertJobResolver                  struct{ *Resolver }
	alertSourceConnectionResolver     struct{ *Resolver }
	apiKeyResolver                    struct{ *Resolver }
	apiKeyConnectionResolver          struct{ *Resolver }
	apiKeyNotificationResolver        struct{ *Resolver }
	auditEventResolver                struct{ *Resolver }
	auditEventConnectionResolver      struct{ *Resolver }
	environmentResolver               struct{ *Resolver }
	mutationResolver                  struct{ *Resolver }
	operatorMessageResolver           struct{ *Resolver }
	operatorMessageConnectionResolver struct{ *Resolver }
	organizationResolver              struct{ *Resolver }
	policySourceResolver              struct{ *Resolver }
	projectResolver                   struct{ *Resolver }
	projectConnectionResolver         struct{ *Resolver }
	queryResolver                     struct{ *Resolver }
	rotationResolver                  struct{ *Resolver }
	userResolver                      struct{ *Resolver }
	userConnectionResolver            struct{ *Resolver }
)
