-- +goose Up
-- What bounds the messages and their money, and what operators look at. Spans
-- are milliseconds, as times are; money is in millionths.

ALTER TABLE challenges ADD COLUMN country TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN bucket TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN country TEXT NOT NULL DEFAULT '';
ALTER TABLE messages ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;  -- what its last claim reserved,
ALTER TABLE messages ADD COLUMN reserved_at INTEGER NOT NULL DEFAULT 0; -- and when
ALTER TABLE messages ADD COLUMN held INTEGER NOT NULL DEFAULT 0;   -- no budget had room for it: 0 never, 1 once, 2 now
ALTER TABLE messages ADD COLUMN erased TEXT NOT NULL DEFAULT ''; -- how its challenge stood that was erased: 'open' or 'redeemed'

-- Sends to a number (C-39). Notices are no sends; decoys' messages are.
CREATE INDEX messages_sent ON messages (phone_key, bucket, created_at) WHERE challenge_id IS NOT NULL OR erased <> '';
CREATE INDEX messages_held ON messages (held) WHERE held = 2;

-- When a code first opened, or proved anew, a session on it; 0: a password alone.
-- What was there before is taken for proved.
ALTER TABLE devices ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET proved_at = created_at;

-- Sinks that only watch: they begin with what is to come, and no sweep waits for
-- them, nor that of a release that knows sinks alone.
CREATE TABLE watchers (
  name        TEXT PRIMARY KEY,
  settled     INTEGER NOT NULL DEFAULT 0,
  claimed     INTEGER NOT NULL DEFAULT 0,
  holder      TEXT NOT NULL DEFAULT '',
  lease_until INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What was reserved and spent, by minute, hour and day (UTC). Country '' is the
-- total.
CREATE TABLE spending (
  span      INTEGER NOT NULL,
  country   TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  amount    INTEGER NOT NULL,
  PRIMARY KEY (span, country, starts_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX spending_by_age ON spending (span, starts_at);

-- Counts of events, by minute, ten minutes and hour, as each instance saw them.
CREATE TABLE rollups (
  span      INTEGER NOT NULL,
  starts_at INTEGER NOT NULL,
  name      TEXT NOT NULL,
  method    TEXT NOT NULL,
  outcome   TEXT NOT NULL,
  reason    TEXT NOT NULL,
  country   TEXT NOT NULL,
  provider  TEXT NOT NULL,
  instance  TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (span, starts_at, name, method, outcome, reason, country, provider, instance)
) STRICT, WITHOUT ROWID;

-- From when on the rollups of a span are whole: what was before is swept.
CREATE TABLE rollup_spans (
  span  INTEGER PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT;
INSERT INTO rollup_spans (span, since) VALUES (60000, 0), (600000, 0), (3600000, 0);

CREATE TABLE api_keys (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  hash       BLOB NOT NULL UNIQUE,
  scopes     TEXT NOT NULL, -- with a blank between them
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_by_name ON api_keys (name);
