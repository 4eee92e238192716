-- +goose Up
-- create "audit_events" table
CREATE TABLE "audit_events" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "at" timestamptz NOT NULL,
  "action" character varying NOT NULL COLLATE "C",
  "actor_user_id" character varying NULL COLLATE "C",
  "actor_key_id" character varying NULL COLLATE "C",
  "subject_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NULL COLLATE "C",
  "ip" character varying NULL COLLATE "C",
  "user_agent" character varying NULL COLLATE "C",
  "request_id" character varying NULL COLLATE "C",
  "reason" character varying NULL COLLATE "C",
  PRIMARY KEY ("id")
);
-- create index "auditevent_organization_id_id" to table: "audit_events"
CREATE INDEX "auditevent_organization_id_id" ON "audit_events" ("organization_id", "id");
-- create index "auditevent_subject_id_id" to table: "audit_events"
CREATE INDEX "auditevent_subject_id_id" ON "audit_events" ("subject_id", "id");
-- create "organizations" table
CREATE TABLE "organizations" (
  "id" character varying NOT NULL COLLATE "C",
  "name" character varying NOT NULL COLLATE "C",
  "created_at" timestamptz NOT NULL,
  PRIMARY KEY ("id")
);
-- create index "organizations_name_key" to table: "organizations"
CREATE UNIQUE INDEX "organizations_name_key" ON "organizations" ("name");
-- create "projects" table
CREATE TABLE "projects" (
  "id" character varying NOT NULL COLLATE "C",
  "name" character varying NOT NULL COLLATE "C",
  "scope_catalogue" jsonb NOT NULL,
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "organization_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "projects_organizations_organization" FOREIGN KEY ("organization_id") REFERENCES "organizations" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "project_organization_id_name" to table: "projects"
CREATE UNIQUE INDEX "project_organization_id_name" ON "projects" ("organization_id", "name");
-- create "environments" table
CREATE TABLE "environments" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "name" character varying NOT NULL COLLATE "C",
  "created_at" timestamptz NOT NULL,
  "project_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "environments_projects_project" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "environment_project_id_name" to table: "environments"
CREATE UNIQUE INDEX "environment_project_id_name" ON "environments" ("project_id", "name");
-- create "key_families" table
CREATE TABLE "key_families" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "description" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id")
);
-- create index "keyfamily_owner_id_description" to table: "key_families"
CREATE UNIQUE INDEX "keyfamily_owner_id_description" ON "key_families" ("owner_id", "description");
-- create "users" table
CREATE TABLE "users" (
  "id" character varying NOT NULL COLLATE "C",
  "login" character varying NOT NULL COLLATE "C",
  "display_name" character varying NOT NULL COLLATE "C",
  "email" character varying NULL COLLATE "C",
  "kind" character varying NOT NULL COLLATE "C",
  "role" character varying NOT NULL COLLATE "C",
  "time_zone" character varying NOT NULL COLLATE "C",
  "may_use_api_keys" boolean NOT NULL,
  "disabled_at" timestamptz NULL,
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "organization_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "users_organizations_organization" FOREIGN KEY ("organization_id") REFERENCES "organizations" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "user_organization_id_login" to table: "users"
CREATE UNIQUE INDEX "user_organization_id_login" ON "users" ("organization_id", "login");
-- create "api_keys" table
CREATE TABLE "api_keys" (
  "id" character varying NOT NULL COLLATE "C",
  "name" character varying NOT NULL COLLATE "C",
  "description" character varying NOT NULL COLLATE "C",
  "scopes" jsonb NOT NULL,
  "key_prefix" character varying NOT NULL COLLATE "C",
  "digest" bytea NOT NULL,
  "generation" bigint NOT NULL,
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "last_used_at" timestamptz NULL,
  "expires_at" timestamptz NULL,
  "inactivity_expires_at" timestamptz NULL,
  "grace_expires_at" timestamptz NULL,
  "rotated_at" timestamptz NULL,
  "suspended_at" timestamptz NULL,
  "revoked_at" timestamptz NULL,
  "effective_expires_at" timestamptz NOT NULL GENERATED ALWAYS AS (LEAST(expires_at, inactivity_expires_at, grace_expires_at, revoked_at, '9999-12-31 23:59:59.999999+00'::timestamp with time zone)) STORED,
  "revocation_reason" character varying NULL COLLATE "C",
  "revocation_note" character varying NULL COLLATE "C",
  "revoked_by_user_id" character varying NULL COLLATE "C",
  "revoked_by_key_id" character varying NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "project_id" character varying NOT NULL COLLATE "C",
  "environment_id" character varying NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "created_by_id" character varying NULL COLLATE "C",
  "family_id" character varying NOT NULL COLLATE "C",
  "replaces_id" character varying NULL COLLATE "C",
  "replaced_by_id" character varying NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "api_keys_api_keys_predecessors" FOREIGN KEY ("replaced_by_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_api_keys_successors" FOREIGN KEY ("replaces_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_environments_environment" FOREIGN KEY ("environment_id") REFERENCES "environments" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_key_families_family" FOREIGN KEY ("family_id") REFERENCES "key_families" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_organizations_organization" FOREIGN KEY ("organization_id") REFERENCES "organizations" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_projects_project" FOREIGN KEY ("project_id") REFERENCES "projects" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_users_created_by" FOREIGN KEY ("created_by_id") REFERENCES "users" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION,
  CONSTRAINT "api_keys_users_owner" FOREIGN KEY ("owner_id") REFERENCES "users" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "api_keys_digest_key" to table: "api_keys"
CREATE UNIQUE INDEX "api_keys_digest_key" ON "api_keys" ("digest");
-- create index "api_keys_key_prefix_key" to table: "api_keys"
CREATE UNIQUE INDEX "api_keys_key_prefix_key" ON "api_keys" ("key_prefix");
-- create index "apikey_environment_id_id" to table: "api_keys"
CREATE INDEX "apikey_environment_id_id" ON "api_keys" ("environment_id", "id");
-- create index "apikey_family_id_generation" to table: "api_keys"
CREATE UNIQUE INDEX "apikey_family_id_generation" ON "api_keys" ("family_id", "generation");
-- create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_effective_expires_at_id" ON "api_keys" ("organization_id", "effective_expires_at", "id");
-- create index "apikey_organization_id_id" to table: "api_keys"
CREATE INDEX "apikey_organization_id_id" ON "api_keys" ("organization_id", "id");
-- create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_owner_id_effective_expires_at_id" ON "api_keys" ("owner_id", "effective_expires_at", "id");
-- create index "apikey_owner_id_id" to table: "api_keys"
CREATE INDEX "apikey_owner_id_id" ON "api_keys" ("owner_id", "id");
-- create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_effective_expires_at_id" ON "api_keys" ("project_id", "effective_expires_at", "id");
-- create index "apikey_project_id_id" to table: "api_keys"
CREATE INDEX "apikey_project_id_id" ON "api_keys" ("project_id", "id");
-- create "idempotent_requests" table
CREATE TABLE "idempotent_requests" (
  "id" character varying NOT NULL COLLATE "C",
  "organization_id" character varying NOT NULL COLLATE "C",
  "caller_family_id" character varying NOT NULL COLLATE "C",
  "idempotency_key" character varying NOT NULL COLLATE "C",
  "input_digest" bytea NOT NULL,
  "created_at" timestamptz NOT NULL,
  "key_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "idempotent_requests_api_keys_key" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "idempotentrequest_caller_family_id_idempotency_key" to table: "idempotent_requests"
CREATE UNIQUE INDEX "idempotentrequest_caller_family_id_idempotency_key" ON "idempotent_requests" ("caller_family_id", "idempotency_key");
-- create "key_scopes" table
CREATE TABLE "key_scopes" (
  "id" bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
  "organization_id" character varying NOT NULL COLLATE "C",
  "project_id" character varying NOT NULL COLLATE "C",
  "owner_id" character varying NOT NULL COLLATE "C",
  "scope" character varying NOT NULL COLLATE "C",
  "key_id" character varying NOT NULL COLLATE "C",
  PRIMARY KEY ("id"),
  CONSTRAINT "key_scopes_api_keys_key" FOREIGN KEY ("key_id") REFERENCES "api_keys" ("id") ON UPDATE NO ACTION ON DELETE NO ACTION
);
-- create index "keyscope_key_id_scope" to table: "key_scopes"
CREATE UNIQUE INDEX "keyscope_key_id_scope" ON "key_scopes" ("key_id", "scope");
-- create index "keyscope_organization_id_scope_key_id" to table: "key_scopes"
CREATE INDEX "keyscope_organization_id_scope_key_id" ON "key_scopes" ("organization_id", "scope", "key_id");
-- create index "keyscope_owner_id_scope_key_id" to table: "key_scopes"
CREATE INDEX "keyscope_owner_id_scope_key_id" ON "key_scopes" ("owner_id", "scope", "key_id");
-- create index "keyscope_project_id_scope_key_id" to table: "key_scopes"
CREATE INDEX "keyscope_project_id_scope_key_id" ON "key_scopes" ("project_id", "scope", "key_id");

-- +goose Down
-- reverse: create index "keyscope_project_id_scope_key_id" to table: "key_scopes"
DROP INDEX "keyscope_project_id_scope_key_id";
-- reverse: create index "keyscope_owner_id_scope_key_id" to table: "key_scopes"
DROP INDEX "keyscope_owner_id_scope_key_id";
-- reverse: create index "keyscope_organization_id_scope_key_id" to table: "key_scopes"
DROP INDEX "keyscope_organization_id_scope_key_id";
-- reverse: create index "keyscope_key_id_scope" to table: "key_scopes"
DROP INDEX "keyscope_key_id_scope";
-- reverse: create "key_scopes" table
DROP TABLE "key_scopes";
-- reverse: create index "idempotentrequest_caller_family_id_idempotency_key" to table: "idempotent_requests"
DROP INDEX "idempotentrequest_caller_family_id_idempotency_key";
-- reverse: create "idempotent_requests" table
DROP TABLE "idempotent_requests";
-- reverse: create index "apikey_project_id_id" to table: "api_keys"
DROP INDEX "apikey_project_id_id";
-- reverse: create index "apikey_project_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_project_id_effective_expires_at_id";
-- reverse: create index "apikey_owner_id_id" to table: "api_keys"
DROP INDEX "apikey_owner_id_id";
-- reverse: create index "apikey_owner_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_owner_id_effective_expires_at_id";
-- reverse: create index "apikey_organization_id_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_id";
-- reverse: create index "apikey_organization_id_effective_expires_at_id" to table: "api_keys"
DROP INDEX "apikey_organization_id_effective_expires_at_id";
-- reverse: create index "apikey_family_id_generation" to table: "api_keys"
DROP INDEX "apikey_family_id_generation";
-- reverse: create index "apikey_environment_id_id" to table: "api_keys"
DROP INDEX "apikey_environment_id_id";
-- reverse: create index "api_keys_key_prefix_key" to table: "api_keys"
DROP INDEX "api_keys_key_prefix_key";
-- reverse: create index "api_keys_digest_key" to table: "api_keys"
DROP INDEX "api_keys_digest_key";
-- reverse: create "api_keys" table
DROP TABLE "api_keys";
-- reverse: create index "user_organization_id_login" to table: "users"
DROP INDEX "user_organization_id_login";
-- reverse: create "users" table
DROP TABLE "users";
-- reverse: create index "keyfamily_owner_id_description" to table: "key_families"
DROP INDEX "keyfamily_owner_id_description";
-- reverse: create "key_families" table
DROP TABLE "key_families";
-- reverse: create index "environment_project_id_name" to table: "environments"
DROP INDEX "environment_project_id_name";
-- reverse: create "environments" table
DROP TABLE "environments";
-- reverse: create index "project_organization_id_name" to table: "projects"
DROP INDEX "project_organization_id_name";
-- reverse: create "projects" table
DROP TABLE "projects";
-- reverse: create index "organizations_name_key" to table: "organizations"
DROP INDEX "organizations_name_key";
-- reverse: create "organizations" table
DROP TABLE "organizations";
-- reverse: create index "auditevent_subject_id_id" to table: "audit_events"
DROP INDEX "auditevent_subject_id_id";
-- reverse: create index "auditevent_organization_id_id" to table: "audit_events"
DROP INDEX "auditevent_organization_id_id";
-- reverse: create "audit_events" table
DROP TABLE "audit_events";
