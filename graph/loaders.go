package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/internal/alert"
	"github.com/keytag/keytag/internal/keys"
	"github.com/keytag/keytag/internal/typeid"
)

// loaders find the objects beside others, as far as the caller may see them.
type loaders struct {
	seen

	organizations loader[*db.Organization]
	users         loader[*db.User]
	projects      loader[*db.Project]
	environments  loader[*db.Environment]
	keys          loader[*keys.View]
	rotations     loader[*keys.Rotation]
	notifications loader[*db.Notification]
	jobs          loader[*db.Job]
	sources       loader[alert.Source]
	messages      loader[*db.OperatorMessage]
	events        loader[*db.AuditEvent]

	environmentsOf  loader[[]*db.Environment]    // by project
	schedulesOf     loader[*db.RotationSchedule] // by family
	lastRotations   loader[*keys.Rotation]       // by old key
	notificationsOf loader[*db.Notification]     // by key
	jobsFor         loader[[]*db.Job]            // by notification
	homes           loader[string]               // ids of projects, by environment
}

func newLoaders(r *Resolver) *loaders {
	l := &loaders{}
	l.organizations = newLoader(l, r.Directory.OrganizationsByID)
	l.users = newLoader(l, r.Directory.UsersByID)
	l.projects = newLoader(l, r.Directory.ProjectsByID)
	l.environments = newLoader(l, r.Directory.EnvironmentsByID)
	l.keys = newLoader(l, r.Keys.KeysByID)
	l.rotations = newLoader(l, r.Keys.RotationsByID)
	l.notifications = newLoader(l, r.Alerts.NotificationsByID)
	l.jobs = newLoader(l, r.Alerts.JobsByID)
	l.sources = newLoader(l, r.Alerts.SourcesByID)
	l.messages = newLoader(l, r.Alerts.MessagesByID)
	l.events = newLoader(l, r.Trail.EventsByID)
	l.environmentsOf = newLoader(l, r.Directory.EnvironmentsOf)
	l.schedulesOf = newLoader(l, r.Keys.SchedulesOf)
	l.lastRotations = newLoader(l, r.Keys.LastRotations)
	l.notificationsOf = newLoader(l, r.Alerts.NotificationsOf)
	l.jobsFor = newLoader(l, r.Alerts.JobsFor)
	l.homes = newLoader(l, r.Keys.HomesOf)
	return l
}

type loadersKey struct{}

// lazily are the loaders of a root field, made when it needs some.
type lazily struct {
	resolver *Resolver
	once     sync.Once
	loaders  *loaders
}

// loading answers the loaders of the root field that is being resolved.
func loading(ctx context.Context) *loaders {
	l := ctx.Value(loadersKey{}).(*lazily)
	l.once.Do(func() { l.loaders = newLoaders(l.resolver) })
	return l.loaders
}

// loadAfresh gives each root field loaders of its own: what a mutation answers shows what it changed, whatever
// was asked for in the same request before.
func loadAfresh(r *Resolver) graphql.RootFieldMiddleware {
	return func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
		return next(context.WithValue(ctx, loadersKey{}, &lazily{resolver: r}))
	}
}

// takeNames tells each loader what the rows seen name.
func (l *loaders) takeNames() {
	rows := l.rows
	l.rows = nil
	for _, row := range rows {
		l.takeName(row)
	}
}

// reference is the id of an object of any kind.
type reference string

func (l *loaders) takeName(row any) {
	switch row := row.(type) {
	case *alert.ForecastEntry:
		l.takeName(row.APIKey.APIKey)
	case *keys.View:
		l.takeName(row.APIKey)
	case *db.APIKey:
		l.organizations.name(&row.OrganizationID)
		l.users.name(&row.OwnerID, row.CreatedByID, row.RevokedByUserID)
		l.projects.name(&row.ProjectID)
		l.environments.name(row.EnvironmentID)
		l.keys.name(row.ReplacesID, row.ReplacedByID, row.RevokedByKeyID)
		l.schedulesOf.name(&row.FamilyID)
		l.lastRotations.name(&row.ID)
		l.notificationsOf.name(&row.ID)
		l.takeEdges(row.Edges)
	case *db.User:
		l.organizations.name(&row.OrganizationID)
	case *db.Project:
		l.organizations.name(&row.OrganizationID)
		l.environmentsOf.name(&row.ID)
	case *db.Environment:
		l.projects.name(&row.ProjectID)
	case []*db.Environment:
		for _, e := range row {
			l.takeName(e)
		}
	case *keys.Rotation:
		l.keys.name(&row.OldKeyID, row.NewKeyID)
	case *db.Notification:
		l.keys.name(&row.KeyID)
		l.sources.name(&row.AlertSourceID)
		l.jobs.name(&row.JobID)
		l.jobsFor.name(&row.ID)
	case *db.Job:
		l.keys.name(&row.KeyID)
		l.sources.name(row.AlertSourceID)
	case []*db.Job:
		for _, j := range row {
			l.takeName(j)
		}
	case *db.OperatorMessage:
		l.keys.name(&row.KeyID)
		l.jobs.name(row.JobID)
		l.users.name(row.RepliedByID)
	case *db.AuditEvent:
		l.users.name(row.ActorUserID)
		l.keys.name(row.ActorKeyID)
		l.takeName(reference(row.SubjectID))
	case reference:
		l.refer(string(row))
	}
}

// takeEdges does for what a list has loaded beside a key what takeName does for a row.
func (l *loaders) takeEdges(e db.APIKeyEdges) {
	if e.Owner != nil {
		l.takeName(e.Owner)
	}
	if e.Project != nil {
		l.takeName(e.Project)
	}
	if e.Environment != nil {
		l.takeName(e.Environment)
	}
	if e.Replaces != nil {
		l.takeName(e.Replaces)
	}
	if e.ReplacedBy != nil {
		l.takeName(e.ReplacedBy)
	}
	if e.Notification != nil {
		l.takeName(e.Notification)
	}
}

func (l *loaders) refer(id string) {
	switch kind, _ := typeid.Prefix(id); kind {
	case typeid.Organization:
		l.organizations.name(&id)
	case typeid.User:
		l.users.name(&id)
	case typeid.Project:
		l.projects.name(&id)
	case typeid.Environment:
		l.environments.name(&id)
	case typeid.APIKey:
		l.keys.name(&id)
	case typeid.Rotation:
		l.rotations.name(&id)
	case typeid.Notification:
		l.notifications.name(&id)
	case typeid.AlertJob:
		l.jobs.name(&id)
	case typeid.AlertSource:
		l.sources.name(&id)
	case typeid.Message:
		l.messages.name(&id)
	case typeid.AuditEvent:
		l.events.name(&id)
	}
}

// eager answers what a list has loaded beside a row, nil when the caller may not see it, and whether it
// has.
func eager[T any](row *T, err error) (*T, bool) { return row, !db.IsNotLoaded(err) }
