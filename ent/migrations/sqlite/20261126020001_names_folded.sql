-- +goose Up
-- add column "name_folded" to table: "api_keys"
ALTER TABLE `api_keys` ADD COLUMN `name_folded` text NULL;
-- by hand: names that are there already (SQLite folds ASCII alone; a name is folded in full when it is written again)
UPDATE api_keys SET name_folded = lower(name);

-- +goose Down
-- reverse: add column "name_folded" to table: "api_keys"
ALTER TABLE `api_keys` DROP COLUMN `name_folded`;
