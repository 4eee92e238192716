-- +goose Up
-- by hand: keys that live already are looked at as new ones are
UPDATE api_keys SET look_at = created_at WHERE revoked_at IS NULL AND removed_at IS NULL;
-- create index "apikeys_look_due" to table: "api_keys"
CREATE INDEX `apikeys_look_due` ON `api_keys` (`look_at`) WHERE look_at IS NOT NULL;
-- create index "apikeys_rotation_due" to table: "api_keys"
CREATE INDEX `apikeys_rotation_due` ON `api_keys` (`next_rotation_at`) WHERE next_rotation_at IS NOT NULL;

-- +goose Down
-- reverse: create index "apikeys_rotation_due" to table: "api_keys"
DROP INDEX `apikeys_rotation_due`;
-- reverse: create index "apikeys_look_due" to table: "api_keys"
DROP INDEX `apikeys_look_due`;
