-- +goose Up
-- modify "api_keys" table
ALTER TABLE "api_keys" ADD COLUMN "name_folded" character varying NULL COLLATE "C";
-- by hand: names that are there already (SQLite folds ASCII alone; a name is folded in full when it is written again)
UPDATE api_keys SET name_folded = lower(name);

-- +goose Down
-- reverse: modify "api_keys" table
ALTER TABLE "api_keys" DROP COLUMN "name_folded";
