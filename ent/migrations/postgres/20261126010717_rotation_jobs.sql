-- +goose Up
-- create index "rotation_job_id" to table: "rotations"
CREATE INDEX "rotation_job_id" ON "rotations" ("job_id");

-- +goose Down
-- reverse: create index "rotation_job_id" to table: "rotations"
DROP INDEX "rotation_job_id";
