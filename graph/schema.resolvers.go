package graph

import (
	"context"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/graph/generated"
	"github.com/keytag/keytag/graph/model"
	"github.com/keytag/keytag/internal/directory"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/page"
	"github.com/keytag/keytag/internal/principal"
	"github.com/keytag/keytag/internal/secret"
)

// User is the resolver for the user field.
func (r *actorResolver) User(ctx context.Context, obj *keys.Actor) (*db.User, error) {
	if obj.UserID == nil {
		return nil, nil
	}
	return r.Directory.User(ctx, *obj.UserID)
}

// APIKey is the resolver for the apiKey field.
func (r *actorResolver) APIKey(ctx context.Context, obj *keys.Actor) (*keys.View, error) {
	return r.Keys.Related(ctx, obj.View(), nil, obj.KeyID)
}

// Owner is the resolver for the owner field.
func (r *apiKeyResolver) Owner(ctx context.Context, obj *keys.View) (*db.User, error) {
	if loaded := obj.Edges.Owner; loaded != nil {
		return loaded, nil
	}
	return r.Directory.User(ctx, obj.OwnerID)
}

// CreatedBy is the resolver for the createdBy field.
func (r *apiKeyResolver) CreatedBy(ctx context.Context, obj *keys.View) (*db.User, error) {
	if loaded := obj.Edges.CreatedBy; loaded != nil || obj.CreatedByID == nil {
		return loaded, nil
	}
	return r.Directory.User(ctx, *obj.CreatedByID)
}

// Organization is the resolver for the organization field.
func (r *apiKeyResolver) Organization(ctx context.Context, obj *keys.View) (*db.Organization, error) {
	if loaded := obj.Edges.Organization; loaded != nil {
		return loaded, nil
	}
	return r.Directory.Organization(ctx, obj.OrganizationID)
}

// Project is the resolver for the project field.
func (r *apiKeyResolver) Project(ctx context.Context, obj *keys.View) (*db.Project, error) {
	if loaded := obj.Edges.Project; loaded != nil {
		return loaded, nil
	}
	return r.Directory.Project(ctx, obj.ProjectID)
}

// Environment is the resolver for the environment field.
func (r *apiKeyResolver) Environment(ctx context.Context, obj *keys.View) (*db.Environment, error) {
	if loaded := obj.Edges.Environment; loaded != nil || obj.EnvironmentID == nil {
		return loaded, nil
	}
	return r.Directory.Environment(ctx, *obj.EnvironmentID)
}

// Replaces is the resolver for the replaces field.
func (r *apiKeyResolver) Replaces(ctx context.Context, obj *keys.View) (*keys.View, error) {
	return r.Keys.Related(ctx, obj, obj.Edges.Replaces, obj.ReplacesID)
}

// ReplacedBy is the resolver for the replacedBy field.
func (r *apiKeyResolver) ReplacedBy(ctx context.Context, obj *keys.View) (*keys.View, error) {
	return r.Keys.Related(ctx, obj, obj.Edges.ReplacedBy, obj.ReplacedByID)
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

// Project is the resolver for the project field.
func (r *environmentResolver) Project(ctx context.Context, obj *db.Environment) (*db.Project, error) {
	return r.Directory.Project(ctx, obj.ProjectID)
}

// APIKeys is the resolver for the apiKeys field.
func (r *environmentResolver) APIKeys(ctx context.Context, obj *db.Environment, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Within:  keys.Filter{EnvironmentIDs: []string{obj.ID}},
		With:    relations(ctx),
	}))
}

// CreateAPIKey is the resolver for the createApiKey field.
func (r *mutationResolver) CreateAPIKey(ctx context.Context, input keys.CreateInput) (*model.CreateAPIKeyPayload, error) {
	issued, err := r.Keys.Create(ctx, input)
	userErrors, err := answer(err)
	return &model.CreateAPIKeyPayload{Issued: issued, UserErrors: userErrors}, err
}

// UpdateAPIKey is the resolver for the updateApiKey field.
func (r *mutationResolver) UpdateAPIKey(ctx context.Context, input keys.UpdateInput) (*model.UpdateAPIKeyPayload, error) {
	key, err := r.Keys.Update(ctx, input)
	userErrors, err := answer(err)
	return &model.UpdateAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// RevokeAPIKey is the resolver for the revokeApiKey field.
func (r *mutationResolver) RevokeAPIKey(ctx context.Context, input keys.RevokeInput) (*model.RevokeAPIKeyPayload, error) {
	key, err := r.Keys.Revoke(ctx, input)
	userErrors, err := answer(err)
	return &model.RevokeAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// RotateAPIKey is the resolver for the rotateApiKey field.
func (r *mutationResolver) RotateAPIKey(ctx context.Context, input keys.RotateInput) (*model.RotateAPIKeyPayload, error) {
	rotated, err := r.Keys.Rotate(ctx, input)
	userErrors, err := answer(err)
	return &model.RotateAPIKeyPayload{Rotated: rotated, UserErrors: userErrors}, err
}

// RotateViewerKey is the resolver for the rotateViewerKey field.
func (r *mutationResolver) RotateViewerKey(ctx context.Context, input keys.RotateViewerInput) (*model.RotateAPIKeyPayload, error) {
	rotated, err := r.Keys.RotateViewer(ctx, input)
	userErrors, err := answer(err)
	return &model.RotateAPIKeyPayload{Rotated: rotated, UserErrors: userErrors}, err
}

// RevokeViewerKey is the resolver for the revokeViewerKey field.
func (r *mutationResolver) RevokeViewerKey(ctx context.Context, input keys.RevokeViewerInput) (*model.RevokeAPIKeyPayload, error) {
	key, err := r.Keys.RevokeViewer(ctx, input)
	userErrors, err := answer(err)
	return &model.RevokeAPIKeyPayload{APIKey: key, UserErrors: userErrors}, err
}

// CreateProject is the resolver for the createProject field.
func (r *mutationResolver) CreateProject(ctx context.Context, input directory.CreateProjectInput) (*model.ProjectPayload, error) {
	project, err := r.Directory.CreateProject(ctx, input)
	userErrors, err := answer(err)
	return &model.ProjectPayload{Project: project, UserErrors: userErrors}, err
}

// CreateEnvironment is the resolver for the createEnvironment field.
func (r *mutationResolver) CreateEnvironment(ctx context.Context, input directory.CreateEnvironmentInput) (*model.EnvironmentPayload, error) {
	environment, err := r.Directory.CreateEnvironment(ctx, input)
	userErrors, err := answer(err)
	return &model.EnvironmentPayload{Environment: environment, UserErrors: userErrors}, err
}

// CreateUser is the resolver for the createUser field.
func (r *mutationResolver) CreateUser(ctx context.Context, input directory.CreateUserInput) (*model.UserPayload, error) {
	user, err := r.Directory.CreateUser(ctx, input)
	userErrors, err := answer(err)
	return &model.UserPayload{User: user, UserErrors: userErrors}, err
}

// Projects is the resolver for the projects field.
func (r *organizationResolver) Projects(ctx context.Context, obj *db.Organization, first *int, after *string, last *int, before *string) (*model.ProjectConnection, error) {
	return projectConnection(r.Directory.Projects(ctx, page.Args{First: first, After: after, Last: last, Before: before}))
}

// Organization is the resolver for the organization field.
func (r *projectResolver) Organization(ctx context.Context, obj *db.Project) (*db.Organization, error) {
	return r.Directory.Organization(ctx, obj.OrganizationID)
}

// Environments is the resolver for the environments field.
func (r *projectResolver) Environments(ctx context.Context, obj *db.Project) ([]*db.Environment, error) {
	return r.Directory.Environments(ctx, obj.ID)
}

// APIKeys is the resolver for the apiKeys field.
func (r *projectResolver) APIKeys(ctx context.Context, obj *db.Project, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		Within:  keys.Filter{ProjectIDs: []string{obj.ID}},
		With:    relations(ctx),
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
	return r.node(ctx, id)
}

// Nodes is the resolver for the nodes field.
func (r *queryResolver) Nodes(ctx context.Context, ids []string) ([]model.Node, error) {
	return r.nodes(ctx, ids)
}

// APIKey is the resolver for the apiKey field.
func (r *queryResolver) APIKey(ctx context.Context, id string) (*keys.View, error) {
	return r.Keys.Key(ctx, id)
}

// APIKeys is the resolver for the apiKeys field.
func (r *queryResolver) APIKeys(ctx context.Context, filter *keys.Filter, orderBy *keys.Order, first *int, after *string, last *int, before *string) (*model.APIKeyConnection, error) {
	return keyConnection(r.Keys.Find(ctx, keys.Search{
		Filter:  filter,
		OrderBy: orderBy,
		Page:    page.Args{First: first, After: after, Last: last, Before: before},
		With:    relations(ctx),
	}))
}

// User is the resolver for the user field.
func (r *queryResolver) User(ctx context.Context, id string) (*db.User, error) {
	return r.Directory.AskedUser(ctx, id)
}

// Organization is the resolver for the organization field.
func (r *queryResolver) Organization(ctx context.Context) (*db.Organization, error) {
	return r.Directory.Organization(ctx, principal.From(ctx).OrganizationID)
}

// Project is the resolver for the project field.
func (r *queryResolver) Project(ctx context.Context, id string) (*db.Project, error) {
	return r.Directory.AskedProject(ctx, id)
}

// Projects is the resolver for the projects field.
func (r *queryResolver) Projects(ctx context.Context, first *int, after *string, last *int, before *string) (*model.ProjectConnection, error) {
	return projectConnection(r.Directory.Projects(ctx, page.Args{First: first, After: after, Last: last, Before: before}))
}

// ServerInfo is the resolver for the serverInfo field.
func (r *queryResolver) ServerInfo(ctx context.Context) (*model.ServerInfo, error) {
	return &model.ServerInfo{Version: r.Version, Now: r.Clock(), KeyPattern: secret.Pattern()}, nil
}

// Organization is the resolver for the organization field.
func (r *userResolver) Organization(ctx context.Context, obj *db.User) (*db.Organization, error) {
	return r.Directory.Organization(ctx, obj.OrganizationID)
}

// Actor returns generated.ActorResolver implementation.
func (r *Resolver) Actor() generated.ActorResolver { return &actorResolver{r} }

// ApiKey returns generated.ApiKeyResolver implementation.
func (r *Resolver) ApiKey() generated.ApiKeyResolver { return &apiKeyResolver{r} }

// ApiKeyConnection returns generated.ApiKeyConnectionResolver implementation.
func (r *Resolver) ApiKeyConnection() generated.ApiKeyConnectionResolver {
	return &apiKeyConnectionResolver{r}
}

// Environment returns generated.EnvironmentResolver implementation.
func (r *Resolver) Environment() generated.EnvironmentResolver { return &environmentResolver{r} }

// Mutation returns generated.MutationResolver implementation.
func (r *Resolver) Mutation() generated.MutationResolver { return &mutationResolver{r} }

// Organization returns generated.OrganizationResolver implementation.
func (r *Resolver) Organization() generated.OrganizationResolver { return &organizationResolver{r} }

// Project returns generated.ProjectResolver implementation.
func (r *Resolver) Project() generated.ProjectResolver { return &projectResolver{r} }

// ProjectConnection returns generated.ProjectConnectionResolver implementation.
func (r *Resolver) ProjectConnection() generated.ProjectConnectionResolver {
	return &projectConnectionResolver{r}
}

// Query returns generated.QueryResolver implementation.
func (r *Resolver) Query() generated.QueryResolver { return &queryResolver{r} }

// User returns generated.UserResolver implementation.
func (r *Resolver) User() generated.UserResolver { return &userResolver{r} }

type (
	actorResolver             struct{ *Resolver }
	apiKeyResolver            struct{ *Resolver }
	apiKeyConnectionResolver  struct{ *Resolver }
	environmentResolver       struct{ *Resolver }
	mutationResolver          struct{ *Resolver }
	organizationResolver      struct{ *Resolver }
	projectResolver           struct{ *Resolver }
	projectConnectionResolver struct{ *Resolver }
	queryResolver             struct{ *Resolver }
	userResolver              struct{ *Resolver }
)
