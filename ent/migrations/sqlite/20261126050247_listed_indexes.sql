-- +goose Up
-- drop index "apikey_organization_id_effective_expires_at_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_effective_expires_at_id";
-- drop index "apikey_organization_id_expires_at_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_expires_at_id";
-- drop index "apikey_organization_id_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_id";
-- drop index "apikey_organization_id_last_used_at_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_last_used_at_id";
-- drop index "apikey_organization_id_name_folded_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_name_folded_id";
-- drop index "apikey_organization_id_next_rotation_at_id" from table: "api_keys"
DROP INDEX "apikey_organization_id_next_rotation_at_id";
-- drop index "apikey_owner_id_effective_expires_at_id" from table: "api_keys"
DROP INDEX "apikey_owner_id_effective_expires_at_id";
-- drop index "apikey_owner_id_id" from table: "api_keys"
DROP INDEX "apikey_owner_id_id";
-- drop index "apikey_project_id_effective_expires_at_id" from table: "api_keys"
DROP INDEX "apikey_project_id_effective_expires_at_id";
-- drop index "apikey_project_id_expires_at_id" from table: "api_keys"
DROP INDEX "apikey_project_id_expires_at_id";
-- drop index "apikey_project_id_id" from table: "api_keys"
DROP INDEX "apikey_project_id_id";
-- drop index "apikey_project_id_last_used_at_id" from table: "api_keys"
DROP INDEX "apikey_project_id_last_used_at_id";
-- drop index "apikey_project_id_name_folded_id" from table: "api_keys"
DROP INDEX "apikey_project_id_name_folded_id";
-- drop index "apikey_project_id_next_rotation_at_id" from table: "api_keys"
DROP INDEX "apikey_project_id_next_rotation_at_id";
-- create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_effective_expires_at_id" ON "api_keys" ("organization_id", "effective_expires_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_organization_id_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_expires_at_id" ON "api_keys" ("organization_id", "expires_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_organization_id_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_id" ON "api_keys" ("organization_id", "id") WHERE removed_at IS NULL;
-- create index "apikey_organization_id_last_used_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_last_used_at_id" ON "api_keys" ("organization_id", "last_used_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_organization_id_name_folded_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_name_folded_id" ON "api_keys" ("organization_id", "name_folded", "id") WHERE removed_at IS NULL;
-- create index "apikey_organization_id_next_rotation_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_next_rotation_at_id" ON "api_keys" ("organization_id", "next_rotation_at", "id") WHERE removed_at IS NULL AND next_rotation_at IS NOT NULL;
-- create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_owner_id_effective_expires_at_id" ON "api_keys" ("owner_id", "effective_expires_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_owner_id_id" to table: "api_keys"
CREATE INDEX "apikey_owner_id_id" ON "api_keys" ("owner_id", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_effective_expires_at_id" ON "api_keys" ("project_id", "effective_expires_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_expires_at_id" ON "api_keys" ("project_id", "expires_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_id" ON "api_keys" ("project_id", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_last_used_at_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_last_used_at_id" ON "api_keys" ("project_id", "last_used_at", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_name_folded_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_name_folded_id" ON "api_keys" ("project_id", "name_folded", "id") WHERE removed_at IS NULL;
-- create index "apikey_project_id_next_rotation_at_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_next_rotation_at_id" ON "api_keys" ("project_id", "next_rotation_at", "id") WHERE removed_at IS NULL AND next_rotation_at IS NOT NULL;
-- create index "apikey_organization_id_grace_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_grace_expires_at_id" ON "api_keys" ("organization_id", "grace_expires_at", "id") WHERE removed_at IS NULL AND grace_expires_at IS NOT NULL;
-- create index "apikey_organization_id_pending_since_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_pending_since_id" ON "api_keys" ("organization_id", "pending_since", "id") WHERE removed_at IS NULL AND pending_since IS NOT NULL;
-- create index "apikey_organization_id_revoked_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_revoked_at_id" ON "api_keys" ("organization_id", "revoked_at", "id") WHERE removed_at IS NULL AND revoked_at IS NOT NULL;
-- create index "apikey_organization_id_suspended_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_suspended_at_id" ON "api_keys" ("organization_id", "suspended_at", "id") WHERE removed_at IS NULL AND suspended_at IS NOT NULL;
-- create index "notification_organization_id_key_id" to table: "notifications"
CREATE INDEX "notification_organization_id_key_id" ON "notifications" ("organization_id", "key_id");

-- +goose Down
-- reverse: create index "notification_organization_id_key_id" to table: "notifications"
DROP INDEX "notification_organization_id_key_id";
-- reverse: create index "apikey_organization_id_suspended_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_suspended_at_id";
-- reverse: create index "apikey_organization_id_revoked_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_revoked_at_id";
-- reverse: create index "apikey_organization_id_pending_since_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_pending_since_id";
-- reverse: create index "apikey_organization_id_grace_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_grace_expires_at_id";
-- reverse: create index "apikey_project_id_next_rotation_at_id" to table: "api_keys"
DROP INDEX "apikey_project_id_next_rotation_at_id";
-- reverse: create index "apikey_project_id_name_folded_id" to table: "api_keys"
DROP INDEX "apikey_project_id_name_folded_id";
-- reverse: create index "apikey_project_id_last_used_at_id" to table: "api_keys"
DROP INDEX "apikey_project_id_last_used_at_id";
-- reverse: create index "apikey_project_id_id" to table: "api_keys"
DROP INDEX "apikey_project_id_id";
-- reverse: create index "apikey_project_id_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_project_id_expires_at_id";
-- reverse: create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_project_id_effective_expires_at_id";
-- reverse: create index "apikey_owner_id_id" to table: "api_keys"
DROP INDEX "apikey_owner_id_id";
-- reverse: create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_owner_id_effective_expires_at_id";
-- reverse: create index "apikey_organization_id_next_rotation_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_next_rotation_at_id";
-- reverse: create index "apikey_organization_id_name_folded_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_name_folded_id";
-- reverse: create index "apikey_organization_id_last_used_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_last_used_at_id";
-- reverse: create index "apikey_organization_id_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_id";
-- reverse: create index "apikey_organization_id_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_expires_at_id";
-- reverse: create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_effective_expires_at_id";
-- reverse: drop index "apikey_project_id_next_rotation_at_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_next_rotation_at_id" ON "api_keys" ("project_id", "next_rotation_at", "id") WHERE next_rotation_at IS NOT NULL;
-- reverse: drop index "apikey_project_id_name_folded_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_name_folded_id" ON "api_keys" ("project_id", "name_folded", "id");
-- reverse: drop index "apikey_project_id_last_used_at_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_last_used_at_id" ON "api_keys" ("project_id", "last_used_at", "id");
-- reverse: drop index "apikey_project_id_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_id" ON "api_keys" ("project_id", "id");
-- reverse: drop index "apikey_project_id_expires_at_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_expires_at_id" ON "api_keys" ("project_id", "expires_at", "id");
-- reverse: drop index "apikey_project_id_effective_expires_at_id" from table: "api_keys"
CREATE INDEX "apikey_project_id_effective_expires_at_id" ON "api_keys" ("project_id", "effective_expires_at", "id");
-- reverse: drop index "apikey_owner_id_id" from table: "api_keys"
CREATE INDEX "apikey_owner_id_id" ON "api_keys" ("owner_id", "id");
-- reverse: drop index "apikey_owner_id_effective_expires_at_id" from table: "api_keys"
CREATE INDEX "apikey_owner_id_effective_expires_at_id" ON "api_keys" ("owner_id", "effective_expires_at", "id");
-- reverse: drop index "apikey_organization_id_next_rotation_at_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_next_rotation_at_id" ON "api_keys" ("organization_id", "next_rotation_at", "id") WHERE next_rotation_at IS NOT NULL;
-- reverse: drop index "apikey_organization_id_name_folded_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_name_folded_id" ON "api_keys" ("organization_id", "name_folded", "id");
-- reverse: drop index "apikey_organization_id_last_used_at_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_last_used_at_id" ON "api_keys" ("organization_id", "last_used_at", "id");
-- reverse: drop index "apikey_organization_id_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_id" ON "api_keys" ("organization_id", "id");
-- reverse: drop index "apikey_organization_id_expires_at_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_expires_at_id" ON "api_keys" ("organization_id", "expires_at", "id");
-- reverse: drop index "apikey_organization_id_effective_expires_at_id" from table: "api_keys"
CREATE INDEX "apikey_organization_id_effective_expires_at_id" ON "api_keys" ("organization_id", "effective_expires_at", "id");
