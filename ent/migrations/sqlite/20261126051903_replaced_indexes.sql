-- +goose Up
-- create index "apikeys_replaced_organization_id" to table: "api_keys"
CREATE INDEX `apikeys_replaced_organization_id` ON `api_keys` (`organization_id`, `effective_expires_at`, `id`) WHERE removed_at IS NULL AND replaced_by_id IS NOT NULL;
-- create index "apikeys_replaced_project_id" to table: "api_keys"
CREATE INDEX `apikeys_replaced_project_id` ON `api_keys` (`project_id`, `effective_expires_at`, `id`) WHERE removed_at IS NULL AND replaced_by_id IS NOT NULL;

-- +goose Down
-- reverse: create index "apikeys_replaced_project_id" to table: "api_keys"
DROP INDEX `apikeys_replaced_project_id`;
-- reverse: create index "apikeys_replaced_organization_id" to table: "api_keys"
DROP INDEX `apikeys_replaced_organization_id`;
