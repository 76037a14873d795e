-- +goose Up
-- The head of each chained log: an instance has a log of its own, whichever sink
-- fills it. The columns of sinks stay for the release that knows no other place.
CREATE TABLE heads (
  log   TEXT PRIMARY KEY,
  file  TEXT NOT NULL,
  count INTEGER NOT NULL,
  chain TEXT NOT NULL
);
INSERT INTO heads (log, file, count, chain) SELECT name, head_file, head_count, head_chain FROM sinks WHERE head_file <> '';

-- Which instances there are, and when each was last seen.
CREATE TABLE instances (
  id      TEXT PRIMARY KEY,
  seen_at INTEGER NOT NULL
);
