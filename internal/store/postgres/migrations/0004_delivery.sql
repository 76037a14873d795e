-- +goose Up
-- By whom a message went, and what became of it. attempts has a line of JSON for
-- each try (store.Attempts); provider and provider_ref are those of the try that was
-- taken last, or of the last one. The release before leaves the new columns as they
-- are made.
ALTER TABLE messages ADD COLUMN prefix_key text NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN attempts text NOT NULL DEFAULT '';

-- Receipts tell of two more states. The partitions have the check of the release
-- that made them as one of their own.
ALTER TABLE messages DROP CONSTRAINT messages_state_check;
-- +goose StatementBegin
DO $$
DECLARE
  part text;
BEGIN
  FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'messages'::regclass LOOP
    EXECUTE 'ALTER TABLE ' || part || ' DROP CONSTRAINT IF EXISTS messages_state_check';
  END LOOP;
END
$$;
-- +goose StatementEnd
ALTER TABLE messages ADD CONSTRAINT messages_state_check
  CHECK (state IN ('queued', 'sent', 'delivered', 'undelivered', 'failed', 'expired', 'withheld'));

CREATE INDEX messages_by_ref ON messages (provider, provider_ref, id) WHERE provider_ref <> '';
CREATE INDEX messages_of_request ON messages (request_id, id);
CREATE INDEX messages_in_trouble ON messages (state, id) WHERE state IN ('undelivered', 'failed', 'expired');
