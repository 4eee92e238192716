package keys

import (
	"github.com/keytag/keytag/ent/db"
	"github.com/keytag/keytag/ent/db/apikey"
)

// always are the columns that every row of a list has: what the key is, and the one clock that never moves.
var always = []string{apikey.FieldID, apikey.FieldFamilyID, apikey.FieldCreatedAt}

// clocks are what lifecycle.Evaluate decides by.
var clocks = []string{
	apikey.FieldPendingSince, apikey.FieldExpiresAt, apikey.FieldInactivityExpiresAt, apikey.FieldGraceExpiresAt,
	apikey.FieldSuspendedAt, apikey.FieldRotatedAt, apikey.FieldRevokedAt,
}

// columnsOf are the columns beyond always that a field of ApiKey is made of. Fields that are not here may
// need any.
var columnsOf = map[Field][]string{
	"__typename": nil, "id": nil, "createdAt": nil, "familyId": nil, WithNotification: nil,
	WithOwner: {apikey.FieldOwnerID}, WithCreatedBy: {apikey.FieldCreatedByID}, "viewerCanAdminister": {apikey.FieldOwnerID},
	WithOrganization: {apikey.FieldOrganizationID}, WithProject: {apikey.FieldProjectID}, WithEnvironment: {apikey.FieldEnvironmentID},
	WithReplaces: {apikey.FieldReplacesID}, WithReplacedBy: {apikey.FieldReplacedByID},

	"name":        {apikey.FieldName},
	"description": {apikey.FieldDescription},
	"keyPrefix":   {apikey.FieldKeyPrefix},
	"scopes":      {apikey.FieldScopes},
	"allowedIps":  {apikey.FieldAllowedIps},
	"updatedAt":   {apikey.FieldUpdatedAt},
	"lastUsedAt":  {apikey.FieldLastUsedAt},
	"lastUsedIp":  {apikey.FieldLastUsedIP},
	"generation":  {apikey.FieldGeneration},

	"status": clocks, "state": clocks, "endsBecause": clocks, "effectiveExpiresAt": clocks, "expiresInSeconds": clocks,
	"expiresAt": clocks, "inactivityExpiresAt": clocks, "graceExpiresAt": clocks, "suspendedAt": clocks, "revokedAt": clocks,
}

// choose has a query read only the columns that the wanted fields are made of, and those that the order needs;
// of nil, all.
func choose(q *db.APIKeyQuery, wanted []Field, by ordering) {
	if wanted == nil {
		return
	}
	columns := map[string]bool{by.column: true}
	for _, field := range wanted {
		needed, known := columnsOf[field]
		if !known {
			return
		}
		for _, column := range needed {
			columns[column] = true
		}
	}
	delete(columns, "")
	for _, column := range always {
		columns[column] = true
	}
	for _, column := range apikey.Columns { // in the order of the table, so that statements are few
		if columns[column] {
			q.Select(column)
		}
	}
}
