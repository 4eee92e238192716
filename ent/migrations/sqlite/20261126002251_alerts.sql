-- +goose Up
-- add column "pending_since" to table: "api_keys"
ALTER TABLE `api_keys` ADD COLUMN `pending_since` datetime NULL;
-- add column "next_rotation_at" to table: "api_keys"
ALTER TABLE `api_keys` ADD COLUMN `next_rotation_at` datetime NULL;
-- add column "look_at" to table: "api_keys"
ALTER TABLE `api_keys` ADD COLUMN `look_at` datetime NULL;
-- add column "reminder_lead_times" to table: "organizations"
ALTER TABLE `organizations` ADD COLUMN `reminder_lead_times` json NULL;
-- add column "reminders" to table: "policy_sweeps"
ALTER TABLE `policy_sweeps` ADD COLUMN `reminders` bool NULL;
-- add column "reminder_lead_times" to table: "projects"
ALTER TABLE `projects` ADD COLUMN `reminder_lead_times` json NULL;
-- create "alert_sources" table
CREATE TABLE `alert_sources` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `kind` text NOT NULL,
  `name` text NOT NULL,
  `enabled` bool NOT NULL DEFAULT (true),
  `message_template` text NULL,
  `replies` json NULL,
  `recipients` json NULL,
  `subject_template` text NULL,
  `body_template` text NULL,
  `url` text NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `deleted_at` datetime NULL,
  `webhook_secret` text NULL,
  `previous_webhook_secret` text NULL,
  `previous_secret_until` datetime NULL,
  PRIMARY KEY (`id`)
);
-- create index "alertsource_organization_id_name" to table: "alert_sources"
CREATE UNIQUE INDEX `alertsource_organization_id_name` ON `alert_sources` (`organization_id`, `name`) WHERE deleted_at IS NULL;
-- create index "alertsource_organization_id_id" to table: "alert_sources"
CREATE INDEX `alertsource_organization_id_id` ON `alert_sources` (`organization_id`, `id`);
-- create "jobs" table
CREATE TABLE `jobs` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `family_id` text NOT NULL,
  `kind` text NOT NULL,
  `status` text NOT NULL,
  `notification_id` text NULL,
  `rotation_id` text NULL,
  `message_id` text NULL,
  `event` text NULL,
  `lane` text NOT NULL,
  `scheduled_for` datetime NOT NULL,
  `run_at` datetime NOT NULL,
  `started_at` datetime NULL,
  `finished_at` datetime NULL,
  `attempts` integer NOT NULL DEFAULT (0),
  `last_error` text NULL,
  `delivered` json NULL,
  `created_at` datetime NOT NULL,
  `key_id` text NOT NULL,
  `alert_source_id` text NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `jobs_api_keys_api_key` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `jobs_alert_sources_alert_source` FOREIGN KEY (`alert_source_id`) REFERENCES `alert_sources` (`id`) ON DELETE NO ACTION
);
-- create index "jobs_due" to table: "jobs"
CREATE INDEX `jobs_due` ON `jobs` (`run_at`, `id`) WHERE finished_at IS NULL;
-- create index "job_notification_id_id" to table: "jobs"
CREATE INDEX `job_notification_id_id` ON `jobs` (`notification_id`, `id`);
-- create index "job_key_id_id" to table: "jobs"
CREATE INDEX `job_key_id_id` ON `jobs` (`key_id`, `id`);
-- create index "job_alert_source_id_id" to table: "jobs"
CREATE INDEX `job_alert_source_id_id` ON `jobs` (`alert_source_id`, `id`);
-- create index "job_finished_at" to table: "jobs"
CREATE INDEX `job_finished_at` ON `jobs` (`finished_at`);
-- create "notifications" table
CREATE TABLE `notifications` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `family_id` text NOT NULL,
  `notify_at` datetime NOT NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `key_id` text NOT NULL,
  `alert_source_id` text NOT NULL,
  `job_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `notifications_api_keys_notification` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `notifications_alert_sources_alert_source` FOREIGN KEY (`alert_source_id`) REFERENCES `alert_sources` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `notifications_jobs_job` FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE NO ACTION
);
-- create index "notifications_key_id_key" to table: "notifications"
CREATE UNIQUE INDEX `notifications_key_id_key` ON `notifications` (`key_id`);
-- create index "notification_alert_source_id" to table: "notifications"
CREATE INDEX `notification_alert_source_id` ON `notifications` (`alert_source_id`);
-- create index "notification_job_id" to table: "notifications"
CREATE INDEX `notification_job_id` ON `notifications` (`job_id`);
-- create "operator_messages" table
CREATE TABLE `operator_messages` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `family_id` text NOT NULL,
  `job_id` text NULL,
  `subject` text NOT NULL,
  `text` text NOT NULL,
  `replies` json NOT NULL,
  `reply` text NULL,
  `replied_by_id` text NULL,
  `replied_at` datetime NULL,
  `created_at` datetime NOT NULL,
  `key_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `operator_messages_api_keys_api_key` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION
);
-- create index "operator_messages_job_id_key" to table: "operator_messages"
CREATE UNIQUE INDEX `operator_messages_job_id_key` ON `operator_messages` (`job_id`);
-- create index "operatormessage_organization_id_id" to table: "operator_messages"
CREATE INDEX `operatormessage_organization_id_id` ON `operator_messages` (`organization_id`, `id`);
-- create index "operatormessage_owner_id_id" to table: "operator_messages"
CREATE INDEX `operatormessage_owner_id_id` ON `operator_messages` (`owner_id`, `id`);
-- create index "operatormessage_organization_id_replied_at_id" to table: "operator_messages"
CREATE INDEX `operatormessage_organization_id_replied_at_id` ON `operator_messages` (`organization_id`, `replied_at`, `id`);
-- create "reminders" table
CREATE TABLE `reminders` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `lead` text NOT NULL,
  `ends_at` datetime NOT NULL,
  `created_at` datetime NOT NULL,
  `key_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `reminders_api_keys_api_key` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION
);
-- create index "reminder_key_id_ends_at_lead" to table: "reminders"
CREATE UNIQUE INDEX `reminder_key_id_ends_at_lead` ON `reminders` (`key_id`, `ends_at`, `lead`);
-- create "rotations" table
CREATE TABLE `rotations` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `family_id` text NOT NULL,
  `automatic` bool NOT NULL,
  `status` text NOT NULL,
  `sealed_secret` text NULL,
  `claim_until` datetime NULL,
  `last_error` text NULL,
  `created_at` datetime NOT NULL,
  `claimed_at` datetime NULL,
  `old_key_id` text NOT NULL,
  `new_key_id` text NULL,
  `job_id` text NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `rotations_api_keys_old_key` FOREIGN KEY (`old_key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `rotations_api_keys_new_key` FOREIGN KEY (`new_key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `rotations_jobs_job` FOREIGN KEY (`job_id`) REFERENCES `jobs` (`id`) ON DELETE NO ACTION
);
-- create index "rotation_old_key_id_id" to table: "rotations"
CREATE INDEX `rotation_old_key_id_id` ON `rotations` (`old_key_id`, `id`);
-- create index "rotation_new_key_id" to table: "rotations"
CREATE INDEX `rotation_new_key_id` ON `rotations` (`new_key_id`);
-- create index "rotations_unclaimed" to table: "rotations"
CREATE INDEX `rotations_unclaimed` ON `rotations` (`claim_until`) WHERE claim_until IS NOT NULL;
-- create "rotation_schedules" table
CREATE TABLE `rotation_schedules` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `interval_days` integer NULL,
  `grace_period` text NULL,
  `delivery` text NOT NULL,
  `webhook_url` text NULL,
  `stalled_since` datetime NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `webhook_secret` text NULL,
  `previous_webhook_secret` text NULL,
  `previous_secret_until` datetime NULL,
  `family_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `rotation_schedules_key_families_family` FOREIGN KEY (`family_id`) REFERENCES `key_families` (`id`) ON DELETE NO ACTION
);

-- +goose Down
-- reverse: create "rotation_schedules" table
DROP TABLE `rotation_schedules`;
-- reverse: create index "rotations_unclaimed" to table: "rotations"
DROP INDEX `rotations_unclaimed`;
-- reverse: create index "rotation_new_key_id" to table: "rotations"
DROP INDEX `rotation_new_key_id`;
-- reverse: create index "rotation_old_key_id_id" to table: "rotations"
DROP INDEX `rotation_old_key_id_id`;
-- reverse: create "rotations" table
DROP TABLE `rotations`;
-- reverse: create index "reminder_key_id_ends_at_lead" to table: "reminders"
DROP INDEX `reminder_key_id_ends_at_lead`;
-- reverse: create "reminders" table
DROP TABLE `reminders`;
-- reverse: create index "operatormessage_organization_id_replied_at_id" to table: "operator_messages"
DROP INDEX `operatormessage_organization_id_replied_at_id`;
-- reverse: create index "operatormessage_owner_id_id" to table: "operator_messages"
DROP INDEX `operatormessage_owner_id_id`;
-- reverse: create index "operatormessage_organization_id_id" to table: "operator_messages"
DROP INDEX `operatormessage_organization_id_id`;
-- reverse: create index "operator_messages_job_id_key" to table: "operator_messages"
DROP INDEX `operator_messages_job_id_key`;
-- reverse: create "operator_messages" table
DROP TABLE `operator_messages`;
-- reverse: create index "notification_job_id" to table: "notifications"
DROP INDEX `notification_job_id`;
-- reverse: create index "notification_alert_source_id" to table: "notifications"
DROP INDEX `notification_alert_source_id`;
-- reverse: create index "notifications_key_id_key" to table: "notifications"
DROP INDEX `notifications_key_id_key`;
-- reverse: create "notifications" table
DROP TABLE `notifications`;
-- reverse: create index "job_finished_at" to table: "jobs"
DROP INDEX `job_finished_at`;
-- reverse: create index "job_alert_source_id_id" to table: "jobs"
DROP INDEX `job_alert_source_id_id`;
-- reverse: create index "job_key_id_id" to table: "jobs"
DROP INDEX `job_key_id_id`;
-- reverse: create index "job_notification_id_id" to table: "jobs"
DROP INDEX `job_notification_id_id`;
-- reverse: create index "jobs_due" to table: "jobs"
DROP INDEX `jobs_due`;
-- reverse: create "jobs" table
DROP TABLE `jobs`;
-- reverse: create index "alertsource_organization_id_id" to table: "alert_sources"
DROP INDEX `alertsource_organization_id_id`;
-- reverse: create index "alertsource_organization_id_name" to table: "alert_sources"
DROP INDEX `alertsource_organization_id_name`;
-- reverse: create "alert_sources" table
DROP TABLE `alert_sources`;
-- reverse: add column "reminder_lead_times" to table: "projects"
ALTER TABLE `projects` DROP COLUMN `reminder_lead_times`;
-- reverse: add column "reminders" to table: "policy_sweeps"
ALTER TABLE `policy_sweeps` DROP COLUMN `reminders`;
-- reverse: add column "reminder_lead_times" to table: "organizations"
ALTER TABLE `organizations` DROP COLUMN `reminder_lead_times`;
-- reverse: add column "look_at" to table: "api_keys"
ALTER TABLE `api_keys` DROP COLUMN `look_at`;
-- reverse: add column "next_rotation_at" to table: "api_keys"
ALTER TABLE `api_keys` DROP COLUMN `next_rotation_at`;
-- reverse: add column "pending_since" to table: "api_keys"
ALTER TABLE `api_keys` DROP COLUMN `pending_since`;
