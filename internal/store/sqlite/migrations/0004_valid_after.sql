-- +goose Up
-- Every session and challenge made at or before this time has ended, for
-- everybody at once. One row; 0: none has. The release before looks at rows alone.
CREATE TABLE valid_after (
  time INTEGER NOT NULL
) STRICT;
INSERT INTO valid_after (time) VALUES (0);
