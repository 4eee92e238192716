-- +goose Up
-- create "api_keys" table
CREATE TABLE `api_keys` (
  `id` text NOT NULL,
  `name` text NOT NULL,
  `description` text NOT NULL,
  `scopes` json NOT NULL,
  `allowed_ips` json NOT NULL,
  `key_prefix` text NOT NULL,
  `digest` blob NOT NULL,
  `generation` integer NOT NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `authenticated_at` datetime NULL,
  `last_used_at` datetime NULL,
  `last_used_ip` text NULL,
  `expires_at` datetime NULL,
  `inactivity_expires_at` datetime NULL,
  `grace_expires_at` datetime NULL,
  `rotated_at` datetime NULL,
  `suspended_at` datetime NULL,
  `suspended_by_admin` bool NOT NULL DEFAULT (false),
  `suspension_note` text NULL,
  `revoked_at` datetime NULL,
  `removed_at` datetime NULL,
  `effective_expires_at` datetime NOT NULL AS (min(coalesce(expires_at, 253402300799999999), coalesce(inactivity_expires_at, 253402300799999999), coalesce(grace_expires_at, 253402300799999999), coalesce(revoked_at, 253402300799999999))) STORED,
  `revocation_reason` text NULL,
  `revocation_note` text NULL,
  `revoked_by_user_id` text NULL,
  `revoked_by_key_id` text NULL,
  `organization_id` text NOT NULL,
  `project_id` text NOT NULL,
  `environment_id` text NULL,
  `owner_id` text NOT NULL,
  `created_by_id` text NULL,
  `family_id` text NOT NULL,
  `replaces_id` text NULL,
  `replaced_by_id` text NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `api_keys_organizations_organization` FOREIGN KEY (`organization_id`) REFERENCES `organizations` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_projects_project` FOREIGN KEY (`project_id`) REFERENCES `projects` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_environments_environment` FOREIGN KEY (`environment_id`) REFERENCES `environments` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_users_owner` FOREIGN KEY (`owner_id`) REFERENCES `users` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_users_created_by` FOREIGN KEY (`created_by_id`) REFERENCES `users` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_key_families_family` FOREIGN KEY (`family_id`) REFERENCES `key_families` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_api_keys_successors` FOREIGN KEY (`replaces_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION,
  CONSTRAINT `api_keys_api_keys_predecessors` FOREIGN KEY (`replaced_by_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION
);
-- create index "api_keys_key_prefix_key" to table: "api_keys"
CREATE UNIQUE INDEX `api_keys_key_prefix_key` ON `api_keys` (`key_prefix`);
-- create index "api_keys_digest_key" to table: "api_keys"
CREATE UNIQUE INDEX `api_keys_digest_key` ON `api_keys` (`digest`);
-- create index "apikey_family_id_generation" to table: "api_keys"
CREATE UNIQUE INDEX `apikey_family_id_generation` ON `api_keys` (`family_id`, `generation`);
-- create index "apikey_organization_id_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_id` ON `api_keys` (`organization_id`, `id`);
-- create index "apikey_project_id_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_id` ON `api_keys` (`project_id`, `id`);
-- create index "apikey_owner_id_id" to table: "api_keys"
CREATE INDEX `apikey_owner_id_id` ON `api_keys` (`owner_id`, `id`);
-- create index "apikey_environment_id_id" to table: "api_keys"
CREATE INDEX `apikey_environment_id_id` ON `api_keys` (`environment_id`, `id`);
-- create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX `apikey_organization_id_effective_expires_at_id` ON `api_keys` (`organization_id`, `effective_expires_at`, `id`);
-- create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX `apikey_project_id_effective_expires_at_id` ON `api_keys` (`project_id`, `effective_expires_at`, `id`);
-- create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX `apikey_owner_id_effective_expires_at_id` ON `api_keys` (`owner_id`, `effective_expires_at`, `id`);
-- create "audit_events" table
CREATE TABLE `audit_events` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `at` datetime NOT NULL,
  `action` text NOT NULL,
  `actor_user_id` text NULL,
  `actor_key_id` text NULL,
  `subject_id` text NOT NULL,
  `owner_id` text NULL,
  `ip` text NULL,
  `user_agent` text NULL,
  `request_id` text NULL,
  `changes` json NULL,
  `reason` text NULL,
  PRIMARY KEY (`id`)
);
-- create index "auditevent_organization_id_id" to table: "audit_events"
CREATE INDEX `auditevent_organization_id_id` ON `audit_events` (`organization_id`, `id`);
-- create index "auditevent_subject_id_id" to table: "audit_events"
CREATE INDEX `auditevent_subject_id_id` ON `audit_events` (`subject_id`, `id`);
-- create "environments" table
CREATE TABLE `environments` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `name` text NOT NULL,
  `created_at` datetime NOT NULL,
  `project_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `environments_projects_project` FOREIGN KEY (`project_id`) REFERENCES `projects` (`id`) ON DELETE NO ACTION
);
-- create index "environment_project_id_name" to table: "environments"
CREATE UNIQUE INDEX `environment_project_id_name` ON `environments` (`project_id`, `name`);
-- create "heartbeats" table
CREATE TABLE `heartbeats` (
  `id` integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  `beat_at` datetime NOT NULL
);
-- create "idempotent_requests" table
CREATE TABLE `idempotent_requests` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `caller_family_id` text NOT NULL,
  `idempotency_key` text NOT NULL,
  `input_digest` blob NOT NULL,
  `created_at` datetime NOT NULL,
  `key_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `idempotent_requests_api_keys_key` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION
);
-- create index "idempotentrequest_caller_family_id_idempotency_key" to table: "idempotent_requests"
CREATE UNIQUE INDEX `idempotentrequest_caller_family_id_idempotency_key` ON `idempotent_requests` (`caller_family_id`, `idempotency_key`);
-- create "key_families" table
CREATE TABLE `key_families` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `description` text NOT NULL,
  `freed_at` datetime NULL,
  PRIMARY KEY (`id`)
);
-- create index "keyfamily_owner_id_description" to table: "key_families"
CREATE UNIQUE INDEX `keyfamily_owner_id_description` ON `key_families` (`owner_id`, `description`) WHERE freed_at IS NULL;
-- create "key_scopes" table
CREATE TABLE `key_scopes` (
  `id` integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  `organization_id` text NOT NULL,
  `project_id` text NOT NULL,
  `owner_id` text NOT NULL,
  `scope` text NOT NULL,
  `key_id` text NOT NULL,
  CONSTRAINT `key_scopes_api_keys_key` FOREIGN KEY (`key_id`) REFERENCES `api_keys` (`id`) ON DELETE NO ACTION
);
-- create index "keyscope_key_id_scope" to table: "key_scopes"
CREATE UNIQUE INDEX `keyscope_key_id_scope` ON `key_scopes` (`key_id`, `scope`);
-- create index "keyscope_organization_id_scope_key_id" to table: "key_scopes"
CREATE INDEX `keyscope_organization_id_scope_key_id` ON `key_scopes` (`organization_id`, `scope`, `key_id`);
-- create index "keyscope_project_id_scope_key_id" to table: "key_scopes"
CREATE INDEX `keyscope_project_id_scope_key_id` ON `key_scopes` (`project_id`, `scope`, `key_id`);
-- create index "keyscope_owner_id_scope_key_id" to table: "key_scopes"
CREATE INDEX `keyscope_owner_id_scope_key_id` ON `key_scopes` (`owner_id`, `scope`, `key_id`);
-- create "organizations" table
CREATE TABLE `organizations` (
  `id` text NOT NULL,
  `name` text NOT NULL,
  `not_accessed_off` bool NOT NULL DEFAULT (false),
  `created_at` datetime NOT NULL,
  `max_expiration_period` text NULL,
  `not_accessed_expiration_period` text NULL,
  `default_grace_period` text NULL,
  `max_grace_period` text NULL,
  PRIMARY KEY (`id`)
);
-- create index "organizations_name_key" to table: "organizations"
CREATE UNIQUE INDEX `organizations_name_key` ON `organizations` (`name`);
-- create "policy_sweeps" table
CREATE TABLE `policy_sweeps` (
  `id` text NOT NULL,
  `organization_id` text NOT NULL,
  `project_id` text NULL,
  `cursor` text NOT NULL DEFAULT (''),
  `created_at` datetime NOT NULL,
  PRIMARY KEY (`id`)
);
-- create index "policysweep_organization_id" to table: "policy_sweeps"
CREATE INDEX `policysweep_organization_id` ON `policy_sweeps` (`organization_id`);
-- create "projects" table
CREATE TABLE `projects` (
  `id` text NOT NULL,
  `name` text NOT NULL,
  `scope_catalogue` json NOT NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `max_expiration_period` text NULL,
  `not_accessed_expiration_period` text NULL,
  `default_grace_period` text NULL,
  `max_grace_period` text NULL,
  `organization_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `projects_organizations_organization` FOREIGN KEY (`organization_id`) REFERENCES `organizations` (`id`) ON DELETE NO ACTION
);
-- create index "project_organization_id_name" to table: "projects"
CREATE UNIQUE INDEX `project_organization_id_name` ON `projects` (`organization_id`, `name`);
-- create "users" table
CREATE TABLE `users` (
  `id` text NOT NULL,
  `login` text NOT NULL,
  `display_name` text NOT NULL,
  `email` text NULL,
  `kind` text NOT NULL,
  `role` text NOT NULL,
  `time_zone` text NOT NULL,
  `may_use_api_keys` bool NOT NULL,
  `disabled_at` datetime NULL,
  `created_at` datetime NOT NULL,
  `updated_at` datetime NOT NULL,
  `organization_id` text NOT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `users_organizations_organization` FOREIGN KEY (`organization_id`) REFERENCES `organizations` (`id`) ON DELETE NO ACTION
);
-- create index "user_organization_id_login" to table: "users"
CREATE UNIQUE INDEX `user_organization_id_login` ON `users` (`organization_id`, `login`);

-- +goose Down
-- reverse: create index "user_organization_id_login" to table: "users"
DROP INDEX `user_organization_id_login`;
-- reverse: create "users" table
DROP TABLE `users`;
-- reverse: create index "project_organization_id_name" to table: "projects"
DROP INDEX `project_organization_id_name`;
-- reverse: create "projects" table
DROP TABLE `projects`;
-- reverse: create index "policysweep_organization_id" to table: "policy_sweeps"
DROP INDEX `policysweep_organization_id`;
-- reverse: create "policy_sweeps" table
DROP TABLE `policy_sweeps`;
-- reverse: create index "organizations_name_key" to table: "organizations"
DROP INDEX `organizations_name_key`;
-- reverse: create "organizations" table
DROP TABLE `organizations`;
-- reverse: create index "keyscope_owner_id_scope_key_id" to table: "key_scopes"
DROP INDEX `keyscope_owner_id_scope_key_id`;
-- reverse: create index "keyscope_project_id_scope_key_id" to table: "key_scopes"
DROP INDEX `keyscope_project_id_scope_key_id`;
-- reverse: create index "keyscope_organization_id_scope_key_id" to table: "key_scopes"
DROP INDEX `keyscope_organization_id_scope_key_id`;
-- reverse: create index "keyscope_key_id_scope" to table: "key_scopes"
DROP INDEX `keyscope_key_id_scope`;
-- reverse: create "key_scopes" table
DROP TABLE `key_scopes`;
-- reverse: create index "keyfamily_owner_id_description" to table: "key_families"
DROP INDEX `keyfamily_owner_id_description`;
-- reverse: create "key_families" table
DROP TABLE `key_families`;
-- reverse: create index "idempotentrequest_caller_family_id_idempotency_key" to table: "idempotent_requests"
DROP INDEX `idempotentrequest_caller_family_id_idempotency_key`;
-- reverse: create "idempotent_requests" table
DROP TABLE `idempotent_requests`;
-- reverse: create "heartbeats" table
DROP TABLE `heartbeats`;
-- reverse: create index "environment_project_id_name" to table: "environments"
DROP INDEX `environment_project_id_name`;
-- reverse: create "environments" table
DROP TABLE `environments`;
-- reverse: create index "auditevent_subject_id_id" to table: "audit_events"
DROP INDEX `auditevent_subject_id_id`;
-- reverse: create index "auditevent_organization_id_id" to table: "audit_events"
DROP INDEX `auditevent_organization_id_id`;
-- reverse: create "audit_events" table
DROP TABLE `audit_events`;
-- reverse: create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX `apikey_owner_id_effective_expires_at_id`;
-- reverse: create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX `apikey_project_id_effective_expires_at_id`;
-- reverse: create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_effective_expires_at_id`;
-- reverse: create index "apikey_environment_id_id" to table: "api_keys"
DROP INDEX `apikey_environment_id_id`;
-- reverse: create index "apikey_owner_id_id" to table: "api_keys"
DROP INDEX `apikey_owner_id_id`;
-- reverse: create index "apikey_project_id_id" to table: "api_keys"
DROP INDEX `apikey_project_id_id`;
-- reverse: create index "apikey_organization_id_id" to table: "api_keys"
DROP INDEX `apikey_organization_id_id`;
-- reverse: create index "apikey_family_id_generation" to table: "api_keys"
DROP INDEX `apikey_family_id_generation`;
-- reverse: create index "api_keys_digest_key" to table: "api_keys"
DROP INDEX `api_keys_digest_key`;
-- reverse: create index "api_keys_key_prefix_key" to table: "api_keys"
DROP INDEX `api_keys_key_prefix_key`;
-- reverse: create "api_keys" table
DROP TABLE `api_keys`;
