-- +goose Up
-- by hand: the audit trail is append-only, whoever writes
-- +goose StatementBegin
CREATE FUNCTION "audit_events_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit_events is append-only'; END $$;
-- +goose StatementEnd
CREATE TRIGGER "audit_events_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_events" FOR EACH STATEMENT EXECUTE FUNCTION "audit_events_append_only"();

-- +goose Down
DROP TRIGGER "audit_events_append_only" ON "audit_events";
DROP FUNCTION "audit_events_append_only"();
