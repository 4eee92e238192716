package graph_test

import "strings"

// The matrix: who gets what of every field. A new field goes into a line of `matrix` whose row says
// who may see it. If it takes arguments, or is a mutation, `asked` says how it is asked for. A new
// object type also needs a way to it in `ways`, which stands in matrix_ways_test.go.

// outcome is what a caller gets of a field.
type outcome string

const (
	ok    outcome = "ok"    // something
	null  outcome = "null"  // nothing, and no error
	empty outcome = "empty" // a list or page without entries

	unauthenticated outcome = "unauthenticated" // the error `auth.unauthenticated`
	forbidden       outcome = "forbidden"       // the error `auth.forbidden`
	// The last word of another code, such as user_not_found, is an outcome too.
	unreachable outcome = "unreachable" // what has the field is not there for the caller

	notFound outcome = "notFound" // of mutations: the user error, or the verdict of a verification
	refused  outcome = "refused"  // of mutations: the user error `auth.forbidden`
)

// The callers, in the order of a row's cells.
type caller int

const (
	anonymous caller = iota
	outsider         // an administrator of another organization
	member           // of the same organization, with all that members may have; the subject is not its own
	owner            // of the subject, likewise a member; for what is an administrator's with a key that holds what is needed
	admin            // with the scope `*`
	lacking          // the owner, or for what is an administrator's the admin, with every scope but the last that is needed
	holding          // the same with a key that holds what is needed and nothing else
)

var callers = []string{"anonymous", "outsider", "member", "owner", "admin", "lacking the scope", "holding the scope"}

// row says what each caller must get.
type row struct {
	// needs are the scopes that `holding` has. The last is the field's own; those before it are for
	// seeing what has the field.
	needs []string
	// isAdmins: `lacking` and `holding` are keys of the administrator.
	isAdmins bool
	cells    [7]outcome
	// asParent: who gets to the object gets the field; who gets there to an empty page gets whenEmpty.
	asParent  bool
	whenEmpty outcome
	// inPayload: asked for in every cell of the mutations that answer the payload; present always, or
	// exactly when the mutation was done. Of several mutations only those in by give it.
	inPayload, always bool
	by                []string
}

func owners(cells string, needs ...string) row {
	r := row{needs: needs}
	for i, cell := range strings.Fields(cells) {
		r.cells[i] = outcome(cell)
	}
	return r
}

func admins(cells string, needs ...string) row {
	r := owners(cells, needs...)
	r.isAdmins = true
	return r
}

const (
	keysRead       = "keytag:keys:read"
	keysWrite      = "keytag:keys:write"
	keysVerify     = "keytag:keys:verify"
	directoryRead  = "keytag:directory:read"
	directoryWrite = "keytag:directory:write"
	policyWrite    = "keytag:policy:write"
	alertsWrite    = "keytag:alerts:write"
	auditRead      = "keytag:audit:read"
)

// Rows: what each caller must get, in the order of the callers, and the scopes that `holding` has.
// Of owners and of admins says whose keys `lacking` and `holding` are.
var (
	// .                  anonymous       outsider        member          owner           admin           lacking         holding
	anybody      = owners("ok              ok              ok              ok              ok              ok              ok")
	aboutCaller  = owners("null            ok              ok              ok              ok              ok              ok")
	aKey         = owners("unauthenticated ok              ok              ok              ok              ok              ok")
	keyLookup    = owners("unauthenticated null            null            ok              ok              null            ok", keysRead)
	keyList      = owners("unauthenticated empty           empty           ok              ok              forbidden       ok", keysRead)
	ownKeys      = owners("unauthenticated empty           ok              ok              ok              forbidden       ok", keysRead)
	userLookup   = owners("unauthenticated user_not_found  forbidden       ok              ok              ok              ok")
	userList     = owners("unauthenticated empty           ok              ok              ok              forbidden       ok", directoryRead)
	projectAsked = owners("unauthenticated null            ok              ok              ok              forbidden       ok", directoryRead)
	ownDirectory = owners("unauthenticated ok              ok              ok              ok              forbidden       ok", directoryRead)
	eventList    = owners("unauthenticated empty           empty           ok              ok              forbidden       ok", auditRead)
	sourceList   = owners("unauthenticated empty           ok              ok              ok              forbidden       ok", keysRead)

	ofKey       = owners("unreachable     unreachable     unreachable     ok              ok              unreachable     ok", keysRead)
	unsetOfKey  = owners("unreachable     unreachable     unreachable     null            null            unreachable     null", keysRead)
	ofSource    = owners("unreachable     unreachable     ok              ok              ok              unreachable     ok", keysRead)
	ofKeyPeople = owners("unreachable     unreachable     unreachable     ok              ok              null            ok", keysRead, directoryRead)
	ofKeyTrail  = owners("unreachable     unreachable     unreachable     ok              ok              forbidden       ok", keysRead, auditRead)
	named       = owners("unreachable     unreachable     ok              ok              ok              ok              ok")
	ofDirectory = owners("unreachable     unreachable     ok              ok              ok              forbidden       ok", directoryRead)
	unset       = owners("unreachable     unreachable     null            null            null            forbidden       null", directoryRead)
	keysWithin  = owners("unreachable     unreachable     empty           ok              ok              forbidden       ok", keysRead)
	ofEvent     = owners("unreachable     unreachable     unreachable     ok              ok              unreachable     ok", auditRead)
	eventsKey   = owners("unreachable     unreachable     unreachable     ok              ok              null            ok", auditRead, keysRead)
	eventsUser  = owners("unreachable     unreachable     unreachable     ok              ok              null            ok", auditRead, directoryRead)
	othersKey   = owners("unreachable     unreachable     unreachable     null            ok              null            null", auditRead, keysRead)
	inputError  = owners("unreachable     ok              ok              ok              ok              unreachable     ok", keysWrite)
	takenBy     = owners("unreachable     unreachable     unreachable     ok              ok              null            ok", keysWrite, keysRead)
	scopeError  = owners("unreachable     unreachable     ok              ok              ok              unreachable     ok", keysWrite)

	issues       = owners("unauthenticated notFound        refused         ok              ok              forbidden       ok", keysWrite)
	changesKey   = owners("unauthenticated notFound        notFound        ok              ok              forbidden       ok", keysRead, keysWrite)
	verifies     = owners("unauthenticated notFound        forbidden       forbidden       ok              forbidden       ok", keysVerify)
	makes        = admins("unauthenticated ok              forbidden       forbidden       ok              forbidden       ok", directoryWrite)
	amends       = admins("unauthenticated notFound        forbidden       forbidden       ok              forbidden       ok", directoryWrite)
	amendsAny    = admins("unauthenticated notFound        forbidden       forbidden       ok              forbidden       ok", directoryRead, directoryWrite)
	answers      = owners("unauthenticated notFound        notFound        ok              ok              notFound        ok", keysRead)
	makesSource  = admins("unauthenticated ok              forbidden       forbidden       ok              forbidden       ok", alertsWrite)
	amendsSource = admins("unauthenticated notFound        forbidden       forbidden       ok              forbidden       ok", keysRead, alertsWrite)
	changePolicy = admins("unauthenticated notFound        forbidden       forbidden       ok              forbidden       ok", policyWrite)

	asParent     = row{asParent: true, whenEmpty: unreachable}
	ofPage       = row{asParent: true, whenEmpty: ok}
	entries      = row{asParent: true, whenEmpty: empty}
	cursorOfPage = row{asParent: true, whenEmpty: null}

	result = row{inPayload: true}
	always = row{inPayload: true, always: true}
)

func resultOf(mutations ...string) row { return row{inPayload: true, by: mutations} }

var matrix = []struct {
	object, fields string
	row
}{
	{"Query", "serverInfo", anybody},
	{"Query", "viewer viewerKey", aboutCaller},
	{"Query", "organization", aKey},
	{"Query", "node nodes apiKey", keyLookup},
	{"Query", "apiKeys", keyList},
	{"Query", "expiryForecast", ownKeys},
	{"Query", "user", userLookup},
	{"Query", "users", userList},
	{"Query", "project", projectAsked},
	{"Query", "projects", ownDirectory},
	{"Query", "auditEvents", eventList},
	{"Query", "alertSources", sourceList},
	{"Query", "operatorMessages", keyList},

	{"ApiKey", "id name description keyPrefix owner organization project environment scopes allowedIps", ofKey},
	{"ApiKey", "status state details can viewerCanAdminister", ofKey},
	{"ApiKey", "createdAt updatedAt lastUsedAt lastUsedIp expiresAt inactivityExpiresAt graceExpiresAt", ofKey},
	{"ApiKey", "effectiveExpiresAt endsBecause expiresInSeconds suspendedAt revokedAt revocation", ofKey},
	{"ApiKey", "replaces replacedBy familyId generation rotation lastRotation notification", ofKey},
	{"ApiKey", "createdBy", ofKeyPeople},
	{"ApiKey", "auditEvents", ofKeyTrail},
	{"PermissionAnswer", "allowed code missingScopes until", asParent},
	{"ApiKeyState", "at status endsBecause effectiveExpiresAt", asParent},
	{"ApiKeyDetails", "kind message at localTime", asParent},
	{"Revocation", "at by reason note", asParent},
	{"ApiKeyConnection", "edges nodes", entries},
	{"ApiKeyConnection", "pageInfo totalCount totalCountIsEstimate", ofPage},
	{"ApiKeyEdge", "cursor node", asParent},
	{"ExpiryForecastConnection", "edges nodes", entries},
	{"ExpiryForecastConnection", "pageInfo", ofPage},
	{"ExpiryForecastEdge", "cursor node", asParent},
	{"ExpiryForecastEntry", "apiKey endsAt endsBecause stillInUse hasSuccessor willNotify risk", asParent},
	{"PageInfo", "hasNextPage hasPreviousPage", ofPage},
	{"PageInfo", "startCursor endCursor", cursorOfPage},

	{"RotationSchedule", "intervalDays nextRotationAt gracePeriod delivery webhookUrl", asParent},
	{"RotationSchedule", "stalledSince", unsetOfKey},
	{"Rotation", "id oldKey newKey automatic status attempts nextAttemptAt lastError createdAt completedAt", ofKey},
	{"ApiKeyNotification", "id apiKey notifyAt alertSource job previousJobs createdAt updatedAt", ofKey},
	{"AlertJob", "id processName status apiKey alertSource scheduledFor startedAt finishedAt attempts lastError", ofKey},
	{"OperatorMessageAlertSource", "id name enabled createdAt messageTemplate replies", ofSource},
	{"EmailAlertSource", "id name enabled createdAt recipients subjectTemplate bodyTemplate", ofSource},
	{"WebhookAlertSource", "id name enabled createdAt url", ofSource},
	{"AlertSourceConnection", "edges nodes", entries},
	{"AlertSourceConnection", "pageInfo totalCount", ofPage},
	{"AlertSourceEdge", "cursor node", asParent},
	{"OperatorMessage", "id text apiKey job status replies reply repliedAt createdAt", ofKey},
	{"OperatorMessage", "repliedBy", ofKeyPeople},
	{"OperatorMessageConnection", "edges nodes", entries},
	{"OperatorMessageConnection", "pageInfo totalCount", ofPage},
	{"OperatorMessageEdge", "cursor node", asParent},

	{"User", "id login displayName organization", named},
	{"User", "email kind role timeZone mayUseApiKeys createdAt", ofDirectory},
	{"User", "disabledAt", unset},
	{"User", "apiKeys", keysWithin},
	{"UserConnection", "edges nodes", entries},
	{"UserConnection", "pageInfo totalCount", ofPage},
	{"UserEdge", "cursor node", asParent},
	{"Organization", "id name", named},
	{"Organization", "policy projects", ofDirectory},
	{"Project", "id name organization", named},
	{"Project", "environments scopeCatalogue policy createdAt", ofDirectory},
	{"Project", "apiKeys", keysWithin},
	{"ProjectConnection", "edges nodes", entries},
	{"ProjectConnection", "pageInfo totalCount", ofPage},
	{"ProjectEdge", "cursor node", asParent},
	{"Environment", "id name project", named},
	{"Environment", "createdAt", ofDirectory},
	{"Environment", "apiKeys", keysWithin},
	{"ScopeDefinition", "name description deprecationReason", asParent},
	{"ApiKeyPolicy", "maxExpirationPeriod notAccessedExpirationPeriod defaultGracePeriod maxGracePeriod reminderLeadTimes sources", asParent},
	{"PolicySource", "field setBy", asParent},

	{"AuditEvent", "id at action actor subjectId ip userAgent requestId reason changes", ofEvent},
	{"AuditEvent", "subject", eventsKey},
	{"Actor", "system", asParent},
	{"Actor", "user", eventsUser},
	{"Actor", "apiKey", othersKey},
	{"AuditChange", "field before after", asParent},
	{"AuditEventConnection", "edges nodes", entries},
	{"AuditEventConnection", "pageInfo totalCount", ofPage},
	{"AuditEventEdge", "cursor node", asParent},
	{"ServerInfo", "version now keyPattern", asParent},

	{"InputError", "code message fields", inputError},
	{"ExpiryOutOfRangeError", "code message fields minimum maximum", asParent},
	{"DescriptionTakenError", "code message fields", asParent},
	{"DescriptionTakenError", "existingKey", takenBy},
	{"ScopeError", "code message fields scopes", scopeError},
	{"GraceOutOfRangeError", "code message fields maximum", asParent},
	{"AlreadyRotatedError", "code message fields replacedBy", asParent},
	{"KeyNotLiveError", "code message fields status since", asParent},

	{"Mutation", "createApiKey", issues},
	{"Mutation", "updateApiKey suspendApiKey resumeApiKey revokeApiKey removeApiKey rotateApiKey completeRotation", changesKey},
	{"Mutation", "setRotationSchedule testRotationWebhook rotateWebhookSecret", changesKey},
	{"Mutation", "setApiKeyNotification cancelApiKeyNotification cancelAlertJob deleteAlertJob", changesKey},
	{"Mutation", "createOperatorMessageAlertSource createEmailAlertSource createWebhookAlertSource", makesSource},
	{"Mutation", "updateAlertSource setAlertSourceEnabled deleteAlertSource", amendsSource},
	{"Mutation", "replyOperatorMessage", answers},
	{"Mutation", "rotateViewerKey revokeViewerKey claimRotation updateViewer", aKey},
	{"Mutation", "verifyApiKey", verifies},
	{"Mutation", "createProject createUser", makes},
	{"Mutation", "updateProject createEnvironment", amends},
	{"Mutation", "deleteEnvironment updateUser", amendsAny},
	{"Mutation", "updateApiKeyPolicy", changePolicy},
	{"CreateApiKeyPayload", "apiKey secret webhookSecret", result},
	{"CreateApiKeyPayload", "replayed warnings userErrors", always},
	{"UpdateApiKeyPayload", "apiKey", result},
	{"UpdateApiKeyPayload", "userErrors", always},
	{"SuspendApiKeyPayload", "apiKey", result},
	{"SuspendApiKeyPayload", "userErrors", always},
	{"ResumeApiKeyPayload", "apiKey", result},
	{"ResumeApiKeyPayload", "userErrors", always},
	{"RevokeApiKeyPayload", "apiKey", result},
	{"RevokeApiKeyPayload", "userErrors", always},
	{"RemoveApiKeyPayload", "removedApiKeyId", result},
	{"RemoveApiKeyPayload", "userErrors", always},
	{"RotateApiKeyPayload", "oldKey newKey secret graceExpiresAt", result},
	{"RotateApiKeyPayload", "replayed userErrors", always},
	{"CompleteRotationPayload", "apiKey", result},
	{"CompleteRotationPayload", "userErrors", always},
	{"SetRotationSchedulePayload", "apiKey webhookSecret", result},
	{"SetRotationSchedulePayload", "userErrors", always},
	{"TestRotationWebhookPayload", "delivered statusCode", result},
	{"TestRotationWebhookPayload", "error", resultOf("none: it is delivered")},
	{"TestRotationWebhookPayload", "userErrors", always},
	{"RotateWebhookSecretPayload", "webhookSecret", result},
	{"RotateWebhookSecretPayload", "userErrors", always},
	{"SetApiKeyNotificationPayload", "apiKey notification", result},
	{"SetApiKeyNotificationPayload", "warnings userErrors", always},
	{"CancelApiKeyNotificationPayload", "apiKey", result},
	{"CancelApiKeyNotificationPayload", "notification", resultOf("none: it is gone")},
	{"CancelApiKeyNotificationPayload", "warnings userErrors", always},
	{"CancelAlertJobPayload", "alertJob apiKey", result},
	{"CancelAlertJobPayload", "userErrors", always},
	{"DeleteAlertJobPayload", "deletedAlertJobId apiKey", result},
	{"DeleteAlertJobPayload", "userErrors", always},
	{"AlertSourcePayload", "alertSource", result},
	{"AlertSourcePayload", "webhookSecret", resultOf("createWebhookAlertSource")},
	{"AlertSourcePayload", "userErrors", always},
	{"DeleteAlertSourcePayload", "deletedAlertSourceId", result},
	{"DeleteAlertSourcePayload", "userErrors", always},
	{"ReplyOperatorMessagePayload", "operatorMessage", result},
	{"ReplyOperatorMessagePayload", "userErrors", always},
	{"VerifyApiKeyPayload", "apiKey", result},
	{"VerifyApiKeyPayload", "valid code missingScopes userErrors", always},
	{"ProjectPayload", "project", result},
	{"ProjectPayload", "userErrors", always},
	{"EnvironmentPayload", "environment", result},
	{"EnvironmentPayload", "userErrors", always},
	{"DeleteEnvironmentPayload", "deletedEnvironmentId", result},
	{"DeleteEnvironmentPayload", "userErrors", always},
	{"UserPayload", "user", result},
	{"UserPayload", "userErrors", always},
	{"ApiKeyPolicyPayload", "apiKeyPolicy", result},
	{"ApiKeyPolicyPayload", "userErrors", always},
}

// asked are the fields with their arguments. A $word is something of the world in matrix_world_test.go.
var asked = map[string]string{
	"Query.node":           `node(id: "$key")`,
	"Query.nodes":          `nodes(ids: ["$key"])`,
	"Query.apiKey":         `apiKey(id: "$key")`,
	"Query.apiKeys":        `apiKeys(filter: {ownerIds: ["$owner"]})`,
	"Query.expiryForecast": `expiryForecast(within: "P9Y", projectId: "$project")`,
	"Query.user":           `user(id: "$owner")`,
	"Query.users":          `users(query: "olive")`,
	"Query.project":        `project(id: "$project")`,
	"Query.auditEvents":    `auditEvents(filter: {subjectId: "$key"})`,
	"ApiKey.state":         `state(at: "2030-01-01T00:00:00Z")`,
	"ApiKey.can":           `can(scopes: ["deploy:write"])`,
	"User.apiKeys":         `apiKeys(relation: OWNED)`,
	"Project.apiKeys":      `apiKeys(filter: {ownerIds: ["$owner"]})`,
	"Environment.apiKeys":  `apiKeys(filter: {ownerIds: ["$owner"]})`,

	"Mutation.createApiKey":     `createApiKey(input: {projectId: "$project", environmentId: "$environment", ownerId: "$owner", name: "key $n", rotation: {webhookUrl: "$receiver"}, notification: {notifyAt: "2026-12-01T00:00:00Z", alertSourceId: "$source"}})`,
	"Mutation.updateApiKey":     `updateApiKey(input: {id: "$live", name: "renamed $n"})`,
	"Mutation.suspendApiKey":    `suspendApiKey(input: {id: "$live"})`,
	"Mutation.resumeApiKey":     `resumeApiKey(input: {id: "$suspended"})`,
	"Mutation.revokeApiKey":     `revokeApiKey(input: {id: "$live"})`,
	"Mutation.removeApiKey":     `removeApiKey(input: {id: "$live"})`,
	"Mutation.rotateApiKey":     `rotateApiKey(input: {id: "$live"})`,
	"Mutation.completeRotation": `completeRotation(input: {id: "$rotated"})`,

	"Mutation.setRotationSchedule": `setRotationSchedule(input: {id: "$live", schedule: {intervalDays: 30, webhookUrl: "$receiver"}})`,
	"Mutation.testRotationWebhook": `testRotationWebhook(input: {id: "$hooked"})`,
	"Mutation.rotateWebhookSecret": `rotateWebhookSecret(input: {id: "$hooked"})`,
	"Mutation.claimRotation":       `claimRotation(input: {claimToken: "$claim"})`,

	"Mutation.setApiKeyNotification":            `setApiKeyNotification(input: {apiKeyId: "$live", notifyAt: "2026-12-01T00:00:00Z", alertSourceId: "$source"})`,
	"Mutation.cancelApiKeyNotification":         `cancelApiKeyNotification(input: {apiKeyId: "$notified"})`,
	"Mutation.cancelAlertJob":                   `cancelAlertJob(input: {id: "$job"})`,
	"Mutation.deleteAlertJob":                   `deleteAlertJob(input: {id: "$job"})`,
	"Mutation.createOperatorMessageAlertSource": `createOperatorMessageAlertSource(input: {name: "message $n"})`,
	"Mutation.createEmailAlertSource":           `createEmailAlertSource(input: {name: "mail $n"})`,
	"Mutation.createWebhookAlertSource":         `createWebhookAlertSource(input: {name: "webhook $n", url: "$receiver"})`,
	"Mutation.updateAlertSource":                `updateAlertSource(input: {id: "$unused", name: "renamed $n"})`,
	"Mutation.setAlertSourceEnabled":            `setAlertSourceEnabled(input: {id: "$unused", enabled: false})`,
	"Mutation.deleteAlertSource":                `deleteAlertSource(input: {id: "$unused"})`,
	"Mutation.replyOperatorMessage":             `replyOperatorMessage(input: {id: "$waiting", reply: "Acknowledge"})`,

	"Mutation.rotateViewerKey":    `rotateViewerKey(input: {})`,
	"Mutation.revokeViewerKey":    `revokeViewerKey(input: {})`,
	"Mutation.verifyApiKey":       `verifyApiKey(input: {secret: "$secret"})`,
	"Mutation.createProject":      `createProject(input: {name: "project $n"})`,
	"Mutation.updateProject":      `updateProject(input: {id: "$project", name: "project $n"})`,
	"Mutation.createEnvironment":  `createEnvironment(input: {projectId: "$project", name: "environment $n"})`,
	"Mutation.deleteEnvironment":  `deleteEnvironment(input: {id: "$spare"})`,
	"Mutation.updateViewer":       `updateViewer(input: {displayName: "me $n"})`,
	"Mutation.createUser":         `createUser(input: {login: "user $n"})`,
	"Mutation.updateUser":         `updateUser(input: {id: "$owner", displayName: "user $n"})`,
	"Mutation.updateApiKeyPolicy": `updateApiKeyPolicy(input: {projectId: "$project", maxExpirationPeriod: "P100DT$nS"})`,
}
