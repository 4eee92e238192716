-- +goose Up
-- modify "organizations" table
ALTER TABLE "organizations" ADD COLUMN "reminder_lead_times" jsonb NULL;
-- modify "policy_sweeps" table
ALTER TABLE "policy_sweeps" ADD COLUMN "reminders" boolean NULL;
-- modify "projects" table
ALTER TABLE "projects" ADD COLUMN "reminder_lead_times" jsonb NULL;
-- create "alert_sources" table
CREATE TABLE "alert_sources" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "kind" character varying NOT NULL COLLATE "C",
  "name" character varying NOT NULL COLLATE "C",
  "enabled" boolean NOT NULL DEFAULT true,
  "message_template" character varying NULL COLLATE "C",
  "replies" jsonb NULL,
  "recipients" jsonb NULL,
  "subject_template" character varying NULL COLLATE "C",
  "body_template" character varying NULL COLLATE "C",
  "url" character varying NULL COLLATE "C",
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "deleted_at" timestamptz NULL,
  "webhook_secret" character varying NULL COLLATE "C",
  "previous_webhook_secret" character varying NULL COLLATE "C",
  "previous_secret_until" timestamptz NULL,
  PRIMARY KEY ("id")
);
-- create index "alertsource_organization_id_id" to table: "alert_sources"
CREATE INDEX "alertsource_organization_id_id" ON "alert_sources" ("organization_id", "id");
-- create index "alertsource_organization_id_name" to table: "alert_sources"
CREATE UNIQUE INDEX "alertsource_organization_id_name" ON "alert_sources" ("organization_id", "name") WHERE (deleted_at IS NULL);
-- modify "api_keys" table
ALTER TABLE "api_keys" ADD COLUMN "pending_since" timestamptz NULL, ADD COLUMN "next_rotation_at" timestamptz NULL, ADD COLUMN "look_at" timestamptz NULL;
-- create "jobs" table
CREATE TABLE "jobs" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "family_id" character varying NOT NULL COLLATE "C",
  "kind" character varying NOT NULL COLLATE "C",
  "status" character varying NOT NULL COLLATE "C",
  "notification_id" character varying NULL COLLATE "C",
  "rotation_id" character varying NULL COLLATE "C",
  "message_id" character varying NULL COLLATE "C",
  "event" character varying NULL COLLATE "C",
  "lane" character varying NOT NULL COLLATE "C",
  "scheduled_for" timestamptz NOT NULL,
  "run_at" timestamptz NOT NULL,
  "started_at" timestamptz NULL,
  "finished_at" timestamptz NULL,
  "attempts" bigint NOT NULL DEFAULT 0,
  "last_error" character varying NULL COLLATE "C",
  "delivered" jsonb NULL,
  "created_at" timestamptz NOT NULL,
  "key_id" character varying NOT NULL COLLATE "C",
  "alert_source_id" character varying NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "jobs_alert_sources_alert_source" FOREIGN KEY ("alert_source_id") REFERENCES "alert_sources" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "jobs_api_keys_api_key" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "job_alert_source_id_id" to table: "jobs"
CREATE INDEX "job_alert_source_id_id" ON "jobs" ("alert_source_id", "id");
-- create index "job_finished_at" to table: "jobs"
CREATE INDEX "job_finished_at" ON "jobs" ("finished_at");
-- create index "job_key_id_id" to table: "jobs"
CREATE INDEX "job_key_id_id" ON "jobs" ("key_id", "id");
-- create index "job_notification_id_id" to table: "jobs"
CREATE INDEX "job_notification_id_id" ON "jobs" ("notification_id", "id");
-- create index "jobs_due" to table: "jobs"
CREATE INDEX "jobs_due" ON "jobs" ("run_at", "id") WHERE (finished_at IS NULL);
-- create "notifications" table
CREATE TABLE "notifications" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "family_id" character varying NOT NULL COLLATE "C",
  "notify_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "key_id" character varying NOT NULL COLLATE "C",
  "alert_source_id" character varying NOT NULL COLLATE "C",
  "job_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "notifications_alert_sources_alert_source" FOREIGN KEY ("alert_source_id") REFERENCES "alert_sources" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "notifications_api_keys_notification" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "notifications_jobs_job" FOREIGN KEY ("job_id") REFERENCES "jobs" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "notification_alert_source_id" to table: "notifications"
CREATE INDEX "notification_alert_source_id" ON "notifications" ("alert_source_id");
-- create index "notification_job_id" to table: "notifications"
CREATE INDEX "notification_job_id" ON "notifications" ("job_id");
-- create index "notifications_key_id_key" to table: "notifications"
CREATE UNIQUE INDEX "notifications_key_id_key" ON "notifications" ("key_id");
-- create "operator_messages" table
CREATE TABLE "operator_messages" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "family_id" character varying NOT NULL COLLATE "C",
  "job_id" character varying NULL COLLATE "C",
  "subject" character varying NOT NULL COLLATE "C",
  "text" character varying NOT NULL COLLATE "C",
  "replies" jsonb NOT NULL,
  "reply" character varying NULL COLLATE "C",
  "replied_by_id" character varying NULL COLLATE "C",
  "replied_at" timestamptz NULL,
  "created_at" timestamptz NOT NULL,
  "key_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "operator_messages_api_keys_api_key" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "operator_messages_job_id_key" to table: "operator_messages"
CREATE UNIQUE INDEX "operator_messages_job_id_key" ON "operator_messages" ("job_id");
-- create index "operatormessage_organization_id_id" to table: "operator_messages"
CREATE INDEX "operatormessage_organization_id_id" ON "operator_messages" ("organization_id", "id");
-- create index "operatormessage_organization_id_replied_at_id" to table: "operator_messages"
CREATE INDEX "operatormessage_organization_id_replied_at_id" ON "operator_messages" ("organization_id", "replied_at", "id");
-- create index "operatormessage_owner_id_id" to table: "operator_messages"
CREATE INDEX "operatormessage_owner_id_id" ON "operator_messages" ("owner_id", "id");
-- create "reminders" table
CREATE TABLE "reminders" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "lead" character varying NOT NULL COLLATE "C",
  "ends_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL,
  "key_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "reminders_api_keys_api_key" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "reminder_key_id_ends_at_lead" to table: "reminders"
CREATE UNIQUE INDEX "reminder_key_id_ends_at_lead" ON "reminders" ("key_id", "ends_at", "lead");
-- create "rotation_schedules" table
CREATE TABLE "rotation_schedules" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "interval_days" bigint NULL,
  "grace_period" character varying NULL COLLATE "C",
  "delivery" character varying NOT NULL COLLATE "C",
  "webhook_url" character varying NULL COLLATE "C",
  "stalled_since" timestamptz NULL,
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "webhook_secret" character varying NULL COLLATE "C",
  "previous_webhook_secret" character varying NULL COLLATE "C",
  "previous_secret_until" timestamptz NULL,
  "family_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "rotation_schedules_key_families_family" FOREIGN KEY ("family_id") REFERENCES "key_families" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create "rotations" table
CREATE TABLE "rotations" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "family_id" character varying NOT NULL COLLATE "C",
  "automatic" boolean NOT NULL,
  "status" character varying NOT NULL COLLATE "C",
  "sealed_secret" character varying NULL COLLATE "C",
  "claim_until" timestamptz NULL,
  "last_error" character varying NULL COLLATE "C",
  "created_at" timestamptz NOT NULL,
  "claimed_at" timestamptz NULL,
  "old_key_id" character varying NOT NULL COLLATE "C",
  "new_key_id" character varying NULL COLLATE "C",
  "job_id" character varying NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "rotations_api_keys_new_key" FOREIGN KEY ("new_key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "rotations_api_keys_old_key" FOREIGN KEY ("old_key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "rotations_jobs_job" FOREIGN KEY ("job_id") REFERENCES "jobs" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "rotation_new_key_id" to table: "rotations"
CREATE INDEX "rotation_new_key_id" ON "rotations" ("new_key_id");
-- create index "rotation_old_key_id_id" to table: "rotations"
CREATE INDEX "rotation_old_key_id_id" ON "rotations" ("old_key_id", "id");
-- create index "rotations_unclaimed" to table: "rotations"
CREATE INDEX "rotations_unclaimed" ON "rotations" ("claim_until") WHERE (claim_until IS NOT NULL);

-- +goose Down
-- reverse: create index "rotations_unclaimed" to table: "rotations"
DROP INDEX "rotations_unclaimed";
-- reverse: create index "rotation_old_key_id_id" to table: "rotations"
DROP INDEX "rotation_old_key_id_id";
-- reverse: create index "rotation_new_key_id" to table: "rotations"
DROP INDEX "rotation_new_key_id";
-- reverse: create "rotations" table
DROP TABLE "rotations";
-- reverse: create "rotation_schedules" table
DROP TABLE "rotation_schedules";
-- reverse: create index "reminder_key_id_ends_at_lead" to table: "reminders"
DROP INDEX "reminder_key_id_ends_at_lead";
-- reverse: create "reminders" table
DROP TABLE "reminders";
-- reverse: create index "operatormessage_owner_id_id" to table: "operator_messages"
DROP INDEX "operatormessage_owner_id_id";
-- reverse: create index "operatormessage_organization_id_replied_at_id" to table: "operator_messages"
DROP INDEX "operatormessage_organization_id_replied_at_id";
-- reverse: create index "operatormessage_organization_id_id" to table: "operator_messages"
DROP INDEX "operatormessage_organization_id_id";
-- reverse: create index "operator_messages_job_id_key" to table: "operator_messages"
DROP INDEX "operator_messages_job_id_key";
-- reverse: create "operator_messages" table
DROP TABLE "operator_messages";
-- reverse: create index "notifications_key_id_key" to table: "notifications"
DROP INDEX "notifications_key_id_key";
-- reverse: create index "notification_job_id" to table: "notifications"
DROP INDEX "notification_job_id";
-- reverse: create index "notification_alert_source_id" to table: "notifications"
DROP INDEX "notification_alert_source_id";
-- reverse: create "notifications" table
DROP TABLE "notifications";
-- reverse: create index "jobs_due" to table: "jobs"
DROP INDEX "jobs_due";
-- reverse: create index "job_notification_id_id" to table: "jobs"
DROP INDEX "job_notification_id_id";
-- reverse: create index "job_key_id_id" to table: "jobs"
DROP INDEX "job_key_id_id";
-- reverse: create index "job_finished_at" to table: "jobs"
DROP INDEX "job_finished_at";
-- reverse: create index "job_alert_source_id_id" to table: "jobs"
DROP INDEX "job_alert_source_id_id";
-- reverse: create "jobs" table
DROP TABLE "jobs";
-- reverse: modify "api_keys" table
ALTER TABLE "api_keys" DROP COLUMN "look_at", DROP COLUMN "next_rotation_at", DROP COLUMN "pending_since";
-- reverse: create index "alertsource_organization_id_name" to table: "alert_sources"
DROP INDEX "alertsource_organization_id_name";
-- reverse: create index "alertsource_organization_id_id" to table: "alert_sources"
DROP INDEX "alertsource_organization_id_id";
-- reverse: create "alert_sources" table
DROP TABLE "alert_sources";
-- reverse: modify "projects" table
ALTER TABLE "projects" DROP COLUMN "reminder_lead_times";
-- reverse: modify "policy_sweeps" table
ALTER TABLE "policy_sweeps" DROP COLUMN "reminders";
-- reverse: modify "organizations" table
ALTER TABLE "organizations" DROP COLUMN "reminder_lead_times";
