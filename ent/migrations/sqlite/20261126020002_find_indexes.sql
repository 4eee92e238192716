-- +goose Up
-- create index "apikey_organization_id_expires_at_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_expires_at_id` ON `api_keys` (`organization_id`, `expires_at`, `id`);
-- create index "apikey_project_id_expires_at_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_expires_at_id` ON `api_keys` (`project_id`, `expires_at`, `id`);
-- create index "apikey_organization_id_last_used_at_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_last_used_at_id` ON `api_keys` (`organization_id`, `last_used_at`, `id`);
-- create index "apikey_project_id_last_used_at_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_last_used_at_id` ON `api_keys` (`project_id`, `last_used_at`, `id`);
-- create index "apikey_organization_id_name_folded_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_name_folded_id` ON `api_keys` (`organization_id`, `name_folded`, `id`);
-- create index "apikey_project_id_name_folded_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_name_folded_id` ON `api_keys` (`project_id`, `name_folded`, `id`);
-- create index "apikey_created_by_id_id" to table: "api_keys"
CREATE INDEX `apikey_created_by_id_id` ON `api_keys` (`created_by_id`, `id`);
-- create index "apikey_organization_id_next_rotation_at_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_next_rotation_at_id` ON `api_keys` (`organization_id`, `next_rotation_at`, `id`) WHERE next_rotation_at IS NOT NULL;
-- create index "apikey_project_id_next_rotation_at_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_next_rotation_at_id` ON `api_keys` (`project_id`, `next_rotation_at`, `id`) WHERE next_rotation_at IS NOT NULL;

-- +goose Down
-- reverse: create index "apikey_project_id_next_rotation_at_id" to table: "api_keys"
DROP INDEX `apikey_project_id_next_rotation_at_id`;
-- reverse: create index "apikey_organization_id_next_rotation_at_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_next_rotation_at_id`;
-- reverse: create index "apikey_created_by_id_id" to table: "api_keys"
DROP INDEX `apikey_created_by_id_id`;
-- reverse: create index "apikey_project_id_name_folded_id" to table: "api_keys"
DROP INDEX `apikey_project_id_name_folded_id`;
-- reverse: create index "apikey_organization_id_name_folded_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_name_folded_id`;
-- reverse: create index "apikey_project_id_last_used_at_id" to table: "api_keys"
DROP INDEX `apikey_project_id_last_used_at_id`;
-- reverse: create index "apikey_organization_id_last_used_at_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_last_used_at_id`;
-- reverse: create index "apikey_project_id_expires_at_id" to table: "api_keys"
DROP INDEX `apikey_project_id_expires_at_id`;
-- reverse: create index "apikey_organization_id_expires_at_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_expires_at_id`;
