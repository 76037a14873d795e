-- +goose Up
-- Times are unix milliseconds, spans too; 0 is never. Money is in millionths.
-- Texts that may be absent are ''. Every row of a user carries user_id, '' where a
-- number has no account. No index leaves those out: a decoy's rows must cost
-- what a real one's do. Ids and keys compare by their bytes ("C").
-- written_at is the database's own clock, in microseconds: it orders rows that
-- came in one millisecond, and decides nothing.

CREATE TABLE users (
  id                text COLLATE "C" PRIMARY KEY,
  phone_sealed      bytea,
  phone_masked      text   NOT NULL,
  phone_verified_at bigint NOT NULL,
  name              text   NOT NULL,
  email             text   NOT NULL,
  locale            text   NOT NULL,
  password_hash     text   NOT NULL,
  generation        bigint NOT NULL,
  disabled_at       bigint NOT NULL,
  created_at        bigint NOT NULL,
  updated_at        bigint NOT NULL
);

-- One account at most per number: this table is that invariant.
CREATE TABLE phones (
  phone_key text COLLATE "C" PRIMARY KEY CHECK (phone_key <> ''),
  user_id   text COLLATE "C" NOT NULL UNIQUE REFERENCES users (id) ON DELETE CASCADE
);

-- The hashes before the current one, which stands in users. Each went with a
-- generation.
CREATE TABLE password_history (
  user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  generation bigint NOT NULL,
  hash       text   NOT NULL,
  PRIMARY KEY (user_id, generation)
);

CREATE TABLE devices (
  id             text COLLATE "C" PRIMARY KEY,
  user_id        text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  label_id       text   NOT NULL,
  label_name     text   NOT NULL,
  label_platform text   NOT NULL,
  created_at     bigint NOT NULL,
  last_seen_at   bigint NOT NULL,
  proved_at      bigint NOT NULL -- when a code first opened, or proved anew, a session on it; 0: a password alone
);
CREATE INDEX devices_of_user ON devices (user_id);

-- A refresh changes one row here and no index: pages keep room for that.
CREATE TABLE sessions (
  id              text COLLATE "C" PRIMARY KEY,
  user_id         text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  counter         bigint NOT NULL CHECK (counter >= 0),
  secret_hash     bytea  NOT NULL,
  secret_sealed   bytea,
  token_key_id    text   NOT NULL,
  rotated_at      bigint NOT NULL,
  created_at      bigint NOT NULL,
  auth_time       bigint NOT NULL,
  last_seen_at    bigint NOT NULL,
  idle_expires_at bigint NOT NULL,
  expires_at      bigint NOT NULL,
  ended_at        bigint NOT NULL,
  end_reason      text   NOT NULL,
  device_id       text COLLATE "C" NOT NULL,
  label_id        text   NOT NULL,
  label_name      text   NOT NULL,
  label_platform  text   NOT NULL,
  ip_address      text   NOT NULL,
  network         text   NOT NULL,
  user_agent      text   NOT NULL,
  methods         text   NOT NULL, -- with a blank between them
  dialect         text   NOT NULL,
  reissue         text   NOT NULL,
  thumbprint      text   NOT NULL,
  moved           boolean NOT NULL DEFAULT false -- the last refresh came from another network and agent
) WITH (fillfactor = 80);
CREATE INDEX sessions_of_user ON sessions (user_id);

-- A number's turn (doc.go): a row for each number that was ever sent to.
CREATE TABLE numbers (
  phone_key text COLLATE "C" PRIMARY KEY,
  used_on   bigint NOT NULL -- the day, so that a turn changes no index
) WITH (fillfactor = 80);
CREATE INDEX numbers_by_age ON numbers (used_on);

CREATE TABLE challenges (
  id                    text COLLATE "C" PRIMARY KEY,
  purpose               text    NOT NULL,
  channel               text    NOT NULL,
  phone_key             text COLLATE "C" NOT NULL,
  phone_sealed          bytea,
  phone_masked          text    NOT NULL,
  decoy                 boolean NOT NULL,
  user_id               text COLLATE "C" NOT NULL,
  generation            bigint  NOT NULL,
  session_id            text COLLATE "C" NOT NULL,
  device_id             text COLLATE "C" NOT NULL,
  label_id              text    NOT NULL,
  label_name            text    NOT NULL,
  label_platform        text    NOT NULL,
  pending_name          text    NOT NULL,
  pending_email         text    NOT NULL,
  pending_locale        text    NOT NULL,
  pending_password_hash text    NOT NULL,
  code_mac              bytea,
  code_length           bigint  NOT NULL,
  sealed                bytea,
  guesses_left          bigint  NOT NULL CHECK (guesses_left >= 0),
  resends               bigint  NOT NULL,
  resend_at             bigint  NOT NULL,
  created_at            bigint  NOT NULL,
  expires_at            bigint  NOT NULL,
  redeemed_at           bigint  NOT NULL,
  voided_at             bigint  NOT NULL,
  begin_key             bytea,
  begin_body            bytea,
  verify_key            bytea,
  verify_body           bytea,
  opened_session_id     text COLLATE "C" NOT NULL,
  opened_counter        bigint  NOT NULL,
  dialect               text    NOT NULL,
  thumbprint            text    NOT NULL,
  country               text    NOT NULL,
  account_created       boolean NOT NULL DEFAULT false -- redeeming it made the account
);
CREATE INDEX challenges_of_number ON challenges (phone_key);
CREATE INDEX challenges_of_user ON challenges (user_id);
CREATE INDEX challenges_by_expiry ON challenges (expires_at);
CREATE INDEX challenges_with_text ON challenges (expires_at) WHERE sealed IS NOT NULL;
CREATE UNIQUE INDEX challenges_by_begin_key ON challenges (begin_key) WHERE begin_key IS NOT NULL;

-- The outbox, by days (partitions.go). Once its challenge is gone a message is told
-- to nobody, and goes with its day: no foreign key, which would have each looked
-- for. Where an account is erased, what is counted of the day (C-39) stays.
CREATE TABLE messages (
  id           text COLLATE "C" PRIMARY KEY,
  challenge_id text COLLATE "C", -- NULL: a notice, or erased
  user_id      text COLLATE "C" NOT NULL,
  purpose      text   NOT NULL,
  channel      text   NOT NULL,
  phone_key    text COLLATE "C" NOT NULL,
  phone_masked text   NOT NULL,
  sealed       bytea,
  sealed_for   text   NOT NULL,
  state        text   NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'expired', 'withheld')),
  tries        bigint NOT NULL,
  bucket       text COLLATE "C" NOT NULL,
  country      text   NOT NULL,
  price        bigint NOT NULL,
  created_at   bigint NOT NULL,
  expires_at   bigint NOT NULL,
  request_id   text   NOT NULL,
  due_at       bigint NOT NULL, -- may be claimed from then on: a lease and a retry's wait move it
  holder       text   NOT NULL DEFAULT '',
  reserved     bigint NOT NULL DEFAULT 0, -- what its last claim reserved,
  reserved_at  bigint NOT NULL DEFAULT 0, -- and when
  held         bigint NOT NULL DEFAULT 0, -- no budget had room for it: 0 never, 1 once, 2 now
  erased       text   NOT NULL DEFAULT '', -- how its challenge stood that was erased: 'open' or 'redeemed'
  settled_at   bigint NOT NULL DEFAULT 0,
  provider     text   NOT NULL DEFAULT '',
  provider_ref text   NOT NULL DEFAULT '',
  written_at   bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
) PARTITION BY RANGE (id);
CREATE TABLE messages_other PARTITION OF messages DEFAULT;
CREATE INDEX messages_other_by_expiry ON messages_other (expires_at);
CREATE INDEX messages_unsettled ON messages (created_at, written_at, id) WHERE settled_at = 0;
CREATE INDEX messages_of_challenge ON messages (challenge_id) WHERE challenge_id IS NOT NULL;
CREATE INDEX messages_of_number ON messages (phone_key, written_at);
CREATE INDEX messages_of_user ON messages (user_id);
CREATE INDEX notices_by_expiry ON messages (expires_at) WHERE challenge_id IS NULL;
CREATE INDEX messages_sent ON messages (phone_key, bucket, created_at) WHERE challenge_id IS NOT NULL OR erased <> '';

-- Failures are counted on the number, with or without an account: device_id is
-- '' for strangers. recent holds the last failures' times, the oldest first.
CREATE TABLE failures (
  phone_key      text COLLATE "C" NOT NULL,
  device_id      text COLLATE "C" NOT NULL,
  method         text   NOT NULL CHECK (method IN ('sms', 'password')),
  in_row         bigint NOT NULL CHECK (in_row >= 0),
  waits_until    bigint NOT NULL,
  waited         boolean NOT NULL DEFAULT false, -- the last failure came after a wait
  last_failed_at bigint NOT NULL,
  recent         bigint[] NOT NULL,
  PRIMARY KEY (phone_key, device_id, method)
);
CREATE INDEX failures_by_age ON failures (last_failed_at);

-- Account events. What says whose an event is stands in columns, where the
-- operation that wrote it may have filled it in; the rest is the payload's.
-- position is given after the commit (sinks.go), by one at a time: no index over
-- all partitions could hold it unique. By months (partitions.go).
CREATE TABLE events (
  id              text COLLATE "C" PRIMARY KEY,
  position        bigint,
  written_at      bigint  NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
  nth             bigint  NOT NULL, -- of its operation
  user_id         text COLLATE "C" NOT NULL,
  session_id      text    NOT NULL,
  phone_masked    text    NOT NULL,
  phone_pseudonym text COLLATE "C" NOT NULL,
  name            text    NOT NULL,
  time            bigint  NOT NULL,
  addressed       boolean NOT NULL, -- has an address or an agent
  payload         bytea   NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE events_other PARTITION OF events DEFAULT;
CREATE INDEX events_by_position ON events (position) WHERE position IS NOT NULL;
CREATE INDEX events_unordered ON events (written_at, nth, id) WHERE position IS NULL;
CREATE INDEX events_of_user ON events (user_id, written_at, nth);
CREATE INDEX events_addressed ON events (time) WHERE addressed;

-- Each sink's place in events.
CREATE TABLE sinks (
  name        text COLLATE "C" PRIMARY KEY,
  settled     bigint NOT NULL DEFAULT 0, -- the position up to which it has everything
  claimed     bigint NOT NULL DEFAULT 0, -- the position up to which holder has claimed
  holder      text   NOT NULL DEFAULT '',
  lease_until bigint NOT NULL DEFAULT 0
);

-- The head of each chained log: an instance has one of its own.
CREATE TABLE heads (
  log   text COLLATE "C" PRIMARY KEY,
  file  text   NOT NULL,
  count bigint NOT NULL,
  chain text   NOT NULL
);

-- Which instances there are, and when each was last seen.
CREATE TABLE instances (
  id      text COLLATE "C" PRIMARY KEY,
  seen_at bigint NOT NULL
);

-- The places of those that only watch: they begin with what is to come, and no
-- sweep waits for them.
CREATE TABLE watchers (
  name        text COLLATE "C" PRIMARY KEY,
  settled     bigint NOT NULL DEFAULT 0,
  claimed     bigint NOT NULL DEFAULT 0,
  holder      text   NOT NULL DEFAULT '',
  lease_until bigint NOT NULL DEFAULT 0
);

-- What only one may do at a time, off the way of any request: give events their
-- positions (last is the last one given), reserve money, name an API key, make and
-- drop partitions.
CREATE TABLE turns (
  name text COLLATE "C" PRIMARY KEY,
  last bigint NOT NULL
);
INSERT INTO turns (name, last) VALUES ('events', 0), ('till', 0), ('api_keys', 0), ('partitions', 0);

CREATE TABLE keys (
  id         text COLLATE "C" PRIMARY KEY,
  slot       text COLLATE "C" NOT NULL UNIQUE,
  sealed     bytea  NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE api_keys (
  id         text COLLATE "C" PRIMARY KEY,
  name       text COLLATE "C" NOT NULL,
  hash       bytea  NOT NULL UNIQUE,
  scopes     text   NOT NULL, -- with a blank between them
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  revoked_at bigint NOT NULL
);
CREATE INDEX api_keys_by_name ON api_keys (name);

-- What was reserved and spent, by minute, hour and day (UTC). Country '' is the
-- total.
CREATE TABLE spending (
  span      bigint NOT NULL,
  country   text COLLATE "C" NOT NULL,
  starts_at bigint NOT NULL,
  amount    bigint NOT NULL,
  PRIMARY KEY (span, country, starts_at)
);
CREATE INDEX spending_by_age ON spending (span, starts_at);

-- Counts of events, by minute, ten minutes and hour, as each instance saw them.
CREATE TABLE rollups (
  span      bigint NOT NULL,
  starts_at bigint NOT NULL,
  name      text COLLATE "C" NOT NULL,
  method    text COLLATE "C" NOT NULL,
  outcome   text COLLATE "C" NOT NULL,
  reason    text COLLATE "C" NOT NULL,
  country   text COLLATE "C" NOT NULL,
  provider  text COLLATE "C" NOT NULL,
  instance  text COLLATE "C" NOT NULL,
  n         bigint NOT NULL,
  PRIMARY KEY (span, starts_at, name, method, outcome, reason, country, provider, instance)
);

-- From when on the rollups of a span are whole: what was before is swept.
CREATE TABLE rollup_spans (
  span  bigint PRIMARY KEY,
  since bigint NOT NULL
);
INSERT INTO rollup_spans (span, since) VALUES (60000, 0), (600000, 0), (3600000, 0);

-- What Ping writes to.
CREATE TABLE pulse (beats bigint NOT NULL);
INSERT INTO pulse (beats) VALUES (0);
