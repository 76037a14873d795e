-- +goose Up
-- By whom a message went, and what became of it. attempts has a line of JSON for
-- each try (store.Attempts); provider and provider_ref are those of the try that was
-- taken last, or of the last one. Receipts tell of two more states: what a column
-- may hold is changed by making the table anew.
CREATE TABLE messages_new (
  position     INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  challenge_id TEXT REFERENCES challenges (id) ON DELETE CASCADE, -- NULL: a notice, or erased
  user_id      TEXT NOT NULL,
  purpose      TEXT NOT NULL,
  channel      TEXT NOT NULL,
  phone_key    TEXT NOT NULL,
  phone_masked TEXT NOT NULL,
  sealed       BLOB,
  sealed_for   TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'delivered', 'undelivered', 'failed', 'expired', 'withheld')),
  tries        INTEGER NOT NULL,
  due_at       INTEGER NOT NULL, -- may be claimed from then on: a lease and a retry's wait move it
  holder       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  settled_at   INTEGER NOT NULL,
  provider     TEXT NOT NULL,
  provider_ref TEXT NOT NULL,
  request_id   TEXT NOT NULL,
  bucket       TEXT NOT NULL DEFAULT '',
  country      TEXT NOT NULL DEFAULT '',
  price        INTEGER NOT NULL DEFAULT 0,
  reserved     INTEGER NOT NULL DEFAULT 0, -- what its last claim reserved,
  reserved_at  INTEGER NOT NULL DEFAULT 0, -- and when
  held         INTEGER NOT NULL DEFAULT 0, -- no budget had room for it: 0 never, 1 once, 2 now
  erased       TEXT NOT NULL DEFAULT '',   -- how its challenge stood that was erased: 'open' or 'redeemed'
  prefix_key   TEXT NOT NULL DEFAULT '',
  attempts     TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO messages_new (position, id, challenge_id, user_id, purpose, channel, phone_key, phone_masked, sealed, sealed_for,
    state, tries, due_at, holder, created_at, expires_at, settled_at, provider, provider_ref, request_id,
    bucket, country, price, reserved, reserved_at, held, erased)
  SELECT position, id, challenge_id, user_id, purpose, channel, phone_key, phone_masked, sealed, sealed_for,
    state, tries, due_at, holder, created_at, expires_at, settled_at, provider, provider_ref, request_id,
    bucket, country, price, reserved, reserved_at, held, erased
  FROM messages ORDER BY position;

-- A position is never given twice, also where the last rows are gone.
DELETE FROM sqlite_sequence WHERE name = 'messages_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'messages_new', seq FROM sqlite_sequence WHERE name = 'messages';
DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;

CREATE INDEX messages_unsettled ON messages (created_at, position, due_at) WHERE settled_at = 0;
CREATE INDEX messages_of_challenge ON messages (challenge_id) WHERE challenge_id IS NOT NULL;
CREATE INDEX messages_of_number ON messages (phone_key);
CREATE INDEX messages_of_user ON messages (user_id);
CREATE INDEX notices_by_expiry ON messages (expires_at) WHERE challenge_id IS NULL;
CREATE INDEX messages_sent ON messages (phone_key, bucket, created_at) WHERE challenge_id IS NOT NULL OR erased <> '';
CREATE INDEX messages_held ON messages (held) WHERE held = 2;
CREATE INDEX messages_by_ref ON messages (provider, provider_ref, id) WHERE provider_ref <> '';
CREATE INDEX messages_of_request ON messages (request_id, id);
CREATE INDEX messages_in_trouble ON messages (state, id) WHERE state IN ('undelivered', 'failed', 'expired');
