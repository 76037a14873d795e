-- +goose Up
-- Times are unix milliseconds; 0 is never. Texts that may be absent are ''.
-- Every row of a user carries user_id, '' where a number has no account. No index
-- leaves those out: a decoy's rows must cost what a real one's do (C-60).

-- "Csgn": tells this database from any other SQLite file.
PRAGMA application_id = 1131636590;

CREATE TABLE users (
  id                TEXT PRIMARY KEY,
  phone_sealed      BLOB,
  phone_masked      TEXT NOT NULL,
  phone_verified_at INTEGER NOT NULL,
  name              TEXT NOT NULL,
  email             TEXT NOT NULL,
  locale            TEXT NOT NULL,
  password_hash     TEXT NOT NULL,
  generation        INTEGER NOT NULL,
  disabled_at       INTEGER NOT NULL,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL
) STRICT;

-- One account at most per number: this table is that invariant.
CREATE TABLE phones (
  phone_key TEXT PRIMARY KEY CHECK (phone_key <> ''),
  user_id   TEXT NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The hashes before the current one, which stands in users.
CREATE TABLE password_history (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  hash     TEXT NOT NULL
) STRICT;
CREATE INDEX password_history_of_user ON password_history (user_id);

CREATE TABLE devices (
  id             TEXT PRIMARY KEY,
  user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  label_id       TEXT NOT NULL,
  label_name     TEXT NOT NULL,
  label_platform TEXT NOT NULL,
  created_at     INTEGER NOT NULL,
  last_seen_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX devices_of_user ON devices (user_id);

-- A refresh changes one row here and no index.
CREATE TABLE sessions (
  id              TEXT PRIMARY KEY,
  user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  counter         INTEGER NOT NULL CHECK (counter >= 0),
  secret_hash     BLOB NOT NULL,
  secret_sealed   BLOB,
  token_key_id    TEXT NOT NULL,
  rotated_at      INTEGER NOT NULL,
  created_at      INTEGER NOT NULL,
  auth_time       INTEGER NOT NULL,
  last_seen_at    INTEGER NOT NULL,
  idle_expires_at INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL,
  ended_at        INTEGER NOT NULL,
  end_reason      TEXT NOT NULL,
  device_id       TEXT NOT NULL,
  label_id        TEXT NOT NULL,
  label_name      TEXT NOT NULL,
  label_platform  TEXT NOT NULL,
  ip_address      TEXT NOT NULL,
  network         TEXT NOT NULL,
  user_agent      TEXT NOT NULL,
  methods         TEXT NOT NULL, -- with a blank between them
  dialect         TEXT NOT NULL,
  reissue         TEXT NOT NULL,
  thumbprint      TEXT NOT NULL,
  moved           INTEGER NOT NULL DEFAULT 0 -- the last refresh came from another network and agent
) STRICT;
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE challenges (
  id                    TEXT PRIMARY KEY,
  purpose               TEXT NOT NULL,
  channel               TEXT NOT NULL,
  phone_key             TEXT NOT NULL,
  phone_sealed          BLOB,
  phone_masked          TEXT NOT NULL,
  decoy                 INTEGER NOT NULL CHECK (decoy IN (0, 1)),
  user_id               TEXT NOT NULL,
  generation            INTEGER NOT NULL,
  session_id            TEXT NOT NULL,
  device_id             TEXT NOT NULL,
  label_id              TEXT NOT NULL,
  label_name            TEXT NOT NULL,
  label_platform        TEXT NOT NULL,
  pending_name          TEXT NOT NULL,
  pending_email         TEXT NOT NULL,
  pending_locale        TEXT NOT NULL,
  pending_password_hash TEXT NOT NULL,
  code_mac              BLOB,
  code_length           INTEGER NOT NULL,
  sealed                BLOB,
  guesses_left          INTEGER NOT NULL CHECK (guesses_left >= 0),
  resends               INTEGER NOT NULL,
  resend_at             INTEGER NOT NULL,
  created_at            INTEGER NOT NULL,
  expires_at            INTEGER NOT NULL,
  redeemed_at           INTEGER NOT NULL,
  voided_at             INTEGER NOT NULL,
  begin_key             BLOB,
  begin_body            BLOB,
  verify_key            BLOB,
  verify_body           BLOB,
  opened_session_id     TEXT NOT NULL,
  opened_counter        INTEGER NOT NULL,
  account_created       INTEGER NOT NULL DEFAULT 0, -- redeeming it made the account
  dialect               TEXT NOT NULL,
  thumbprint            TEXT NOT NULL
) STRICT;
CREATE INDEX challenges_of_number ON challenges (phone_key);
CREATE INDEX challenges_of_user ON challenges (user_id);
CREATE INDEX challenges_by_expiry ON challenges (expires_at);
CREATE INDEX challenges_with_text ON challenges (expires_at) WHERE sealed IS NOT NULL;
CREATE UNIQUE INDEX challenges_by_begin_key ON challenges (begin_key) WHERE begin_key IS NOT NULL;

-- The outbox. A challenge's message dies with it.
CREATE TABLE messages (
  position     INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  challenge_id TEXT REFERENCES challenges (id) ON DELETE CASCADE, -- NULL: a notice
  user_id      TEXT NOT NULL,
  purpose      TEXT NOT NULL,
  channel      TEXT NOT NULL,
  phone_key    TEXT NOT NULL,
  phone_masked TEXT NOT NULL,
  sealed       BLOB,
  sealed_for   TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'expired', 'withheld')),
  tries        INTEGER NOT NULL,
  due_at       INTEGER NOT NULL, -- may be claimed from then on: a lease and a retry's wait move it
  holder       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  settled_at   INTEGER NOT NULL,
  provider     TEXT NOT NULL,
  provider_ref TEXT NOT NULL,
  request_id   TEXT NOT NULL
) STRICT;
CREATE INDEX messages_unsettled ON messages (created_at, position, due_at) WHERE settled_at = 0;
CREATE INDEX messages_of_challenge ON messages (challenge_id) WHERE challenge_id IS NOT NULL;
CREATE INDEX messages_of_number ON messages (phone_key);
CREATE INDEX messages_of_user ON messages (user_id);
CREATE INDEX notices_by_expiry ON messages (expires_at) WHERE challenge_id IS NULL;

-- Failures are counted on the number, with or without an account: device_id is
-- '' for strangers. recent holds the last failures' times, 8 bytes each.
CREATE TABLE failures (
  phone_key      TEXT NOT NULL,
  device_id      TEXT NOT NULL,
  method         TEXT NOT NULL CHECK (method IN ('sms', 'password')),
  in_row         INTEGER NOT NULL CHECK (in_row >= 0),
  waits_until    INTEGER NOT NULL,
  last_failed_at INTEGER NOT NULL,
  recent         BLOB NOT NULL,
  PRIMARY KEY (phone_key, device_id, method)
) STRICT, WITHOUT ROWID;
CREATE INDEX failures_by_age ON failures (last_failed_at);

-- Account events, in the order of their commits. A position is never given
-- twice, so that a sink's place in the queue means one thing forever.
CREATE TABLE events (
  position        INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT NOT NULL UNIQUE,
  user_id         TEXT NOT NULL,
  phone_pseudonym TEXT NOT NULL,
  name            TEXT NOT NULL,
  time            INTEGER NOT NULL,
  addressed       INTEGER NOT NULL CHECK (addressed IN (0, 1)), -- has an address or an agent
  payload         BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_user ON events (user_id);
CREATE INDEX events_addressed ON events (addressed) WHERE addressed = 1;

-- Each sink's place in events, and the head of its chained log.
CREATE TABLE sinks (
  name        TEXT PRIMARY KEY,
  settled     INTEGER NOT NULL DEFAULT 0, -- the position up to which it has everything
  claimed     INTEGER NOT NULL DEFAULT 0, -- the position up to which holder has claimed
  holder      TEXT NOT NULL DEFAULT '',
  lease_until INTEGER NOT NULL DEFAULT 0,
  head_file   TEXT NOT NULL DEFAULT '',
  head_count  INTEGER NOT NULL DEFAULT 0,
  head_chain  TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE keys (
  id         TEXT PRIMARY KEY,
  slot       TEXT NOT NULL UNIQUE,
  sealed     BLOB NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- What Ping writes to: as much as a flow may write, so that a full disk is told.
CREATE TABLE pulse (
  beats  INTEGER NOT NULL,
  weight BLOB NOT NULL
) STRICT;
INSERT INTO pulse (beats, weight) VALUES (0, x'');
