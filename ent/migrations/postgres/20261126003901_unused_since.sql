-- +goose Up
-- modify "api_keys" table
ALTER TABLE "api_keys" ADD COLUMN "unused_since" timestamptz NULL;

-- +goose Down
-- reverse: modify "api_keys" table
ALTER TABLE "api_keys" DROP COLUMN "unused_since";
