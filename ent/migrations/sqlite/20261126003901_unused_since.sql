-- +goose Up
-- add column "unused_since" to table: "api_keys"
ALTER TABLE `api_keys` ADD COLUMN `unused_since` datetime NULL;

-- +goose Down
-- reverse: add column "unused_since" to table: "api_keys"
ALTER TABLE `api_keys` DROP COLUMN `unused_since`;
