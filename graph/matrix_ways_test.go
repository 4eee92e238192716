package graph_test

// way leads to an object, or where that has it unset to one with a certain field: a document in which
// %s stands for the field. Where the rows of its fields are `asParent`, under names the field by whose
// row one gets there.
type way struct{ under, document string }

var ways = map[string]way{
	"Query":        {"", `{ %s }`},
	"ApiKey":       {"", `{ apiKey(id: "$key") { %s } }`},
	"User":         {"", `{ node(id: "$owner") { ... on User { %s } } }`},
	"Organization": {"", `{ node(id: "$organization") { ... on Organization { %s } } }`},
	"Project":      {"", `{ node(id: "$project") { ... on Project { %s } } }`},
	"Environment":  {"", `{ node(id: "$environment") { ... on Environment { %s } } }`},
	"AuditEvent":   {"", `{ node(id: "$event") { ... on AuditEvent { %s } } }`},

	"ApiKey.rotation":            {"", `{ apiKey(id: "$hooked") { %s } }`},
	"ApiKey.notification":        {"", `{ apiKey(id: "$told") { %s } }`},
	"RotationSchedule":           {"ApiKey.rotation", `{ apiKey(id: "$hooked") { rotation { %s } } }`},
	"Rotation":                   {"", `{ node(id: "$rotation") { ... on Rotation { %s } } }`},
	"Rotation.newKey":            {"", `{ apiKey(id: "$key") { lastRotation { %s } } }`},
	"Rotation.completedAt":       {"", `{ apiKey(id: "$key") { lastRotation { %s } } }`},
	"ApiKeyNotification":         {"", `{ node(id: "$notification") { ... on ApiKeyNotification { %s } } }`},
	"AlertJob":                   {"", `{ node(id: "$failing") { ... on AlertJob { %s } } }`},
	"AlertJob.finishedAt":        {"", `{ node(id: "$notification") { ... on ApiKeyNotification { previousJobs { %s } } } }`},
	"OperatorMessageAlertSource": {"", `{ node(id: "$source") { ... on OperatorMessageAlertSource { %s } } }`},
	"EmailAlertSource":           {"", `{ node(id: "$mailer") { ... on EmailAlertSource { %s } } }`},
	"WebhookAlertSource":         {"", `{ node(id: "$poster") { ... on WebhookAlertSource { %s } } }`},
	"AlertSourceConnection":      {"Query.alertSources", `{ alertSources { %s } }`},
	"AlertSourceEdge":            {"AlertSourceConnection.edges", `{ alertSources { edges { %s } } }`},
	"OperatorMessage":            {"", `{ node(id: "$message") { ... on OperatorMessage { %s } } }`},
	"OperatorMessageConnection":  {"Query.operatorMessages", `{ operatorMessages { %s } }`},
	"OperatorMessageEdge":        {"OperatorMessageConnection.edges", `{ operatorMessages { edges { %s } } }`},

	"ServerInfo":               {"Query.serverInfo", `{ serverInfo { %s } }`},
	"PermissionAnswer":         {"ApiKey.can", `{ apiKey(id: "$first") { can(scopes: ["deploy:write"]) { %s } } }`},
	"ApiKeyState":              {"ApiKey.state", `{ apiKey(id: "$key") { state(at: "2030-01-01T00:00:00Z") { %s } } }`},
	"ApiKeyDetails":            {"ApiKey.details", `{ apiKey(id: "$key") { details { %s } } }`},
	"Revocation":               {"ApiKey.revocation", `{ apiKey(id: "$key") { revocation { %s } } }`},
	"ApiKeyConnection":         {"Query.apiKeys", `{ apiKeys(filter: {ownerIds: ["$owner"]}) { %s } }`},
	"ApiKeyEdge":               {"ApiKeyConnection.edges", `{ apiKeys(filter: {ownerIds: ["$owner"]}) { edges { %s } } }`},
	"PageInfo":                 {"Query.apiKeys", `{ apiKeys(filter: {ownerIds: ["$owner"]}) { pageInfo { %s } } }`},
	"ExpiryForecastConnection": {"Query.expiryForecast", `{ expiryForecast(within: "P9Y", projectId: "$project") { %s } }`},
	"ExpiryForecastEdge":       {"ExpiryForecastConnection.edges", `{ expiryForecast(within: "P9Y", projectId: "$project") { edges { %s } } }`},
	"ExpiryForecastEntry":      {"ExpiryForecastConnection.nodes", `{ expiryForecast(within: "P9Y", projectId: "$project") { nodes { %s } } }`},

	"UserConnection":       {"Query.users", `{ users(query: "olive") { %s } }`},
	"UserEdge":             {"UserConnection.edges", `{ users(query: "olive") { edges { %s } } }`},
	"ProjectConnection":    {"Query.projects", `{ projects { %s } }`},
	"ProjectEdge":          {"ProjectConnection.edges", `{ projects { edges { %s } } }`},
	"ScopeDefinition":      {"Project.scopeCatalogue", `{ node(id: "$project") { ... on Project { scopeCatalogue { %s } } } }`},
	"ApiKeyPolicy":         {"Project.policy", `{ node(id: "$project") { ... on Project { policy { %s } } } }`},
	"PolicySource":         {"ApiKeyPolicy.sources", `{ node(id: "$project") { ... on Project { policy { sources { %s } } } } }`},
	"Actor":                {"AuditEvent.actor", `{ node(id: "$event") { ... on AuditEvent { actor { %s } } } }`},
	"AuditChange":          {"AuditEvent.changes", `{ node(id: "$renaming") { ... on AuditEvent { changes { %s } } } }`},
	"AuditEventConnection": {"Query.auditEvents", `{ auditEvents(filter: {subjectId: "$key"}) { %s } }`},
	"AuditEventEdge":       {"AuditEventConnection.edges", `{ auditEvents(filter: {subjectId: "$key"}) { edges { %s } } }`},

	"InputError":            {"", `mutation { createApiKey(input: {projectId: "$project"}) { userErrors { ... on InputError { %s } } } }`},
	"ExpiryOutOfRangeError": {"Mutation.rotateApiKey", `mutation { rotateApiKey(input: {id: "$successor", expiresIn: "P9Y"}) { userErrors { ... on ExpiryOutOfRangeError { %s } } } }`},
	"DescriptionTakenError": {"Mutation.createApiKey", `mutation { createApiKey(input: {projectId: "$project", environmentId: "$environment", ownerId: "$owner", description: "the subject"}) { userErrors { ... on DescriptionTakenError { %s } } } }`},
	"ScopeError":            {"", `mutation { createApiKey(input: {projectId: "$project", name: "x", scopes: ["unheard:of"]}) { userErrors { ... on ScopeError { %s } } } }`},
	"GraceOutOfRangeError":  {"Mutation.rotateApiKey", `mutation { rotateApiKey(input: {id: "$successor", gracePeriod: "P1Y"}) { userErrors { ... on GraceOutOfRangeError { %s } } } }`},
	"AlreadyRotatedError":   {"Mutation.rotateApiKey", `mutation { rotateApiKey(input: {id: "$first"}) { userErrors { ... on AlreadyRotatedError { %s } } } }`},
	"KeyNotLiveError":       {"Mutation.suspendApiKey", `mutation { suspendApiKey(input: {id: "$key"}) { userErrors { ... on KeyNotLiveError { %s } } } }`},
}
