-- +goose Up
-- The move that filled this database from an installation of one instance, and how
-- far it has come. While it is not finished nobody else opens the database.
CREATE TABLE moves (
  one          boolean PRIMARY KEY DEFAULT true CHECK (one), -- a database is filled once
  installation text   NOT NULL,
  table_name   text   NOT NULL DEFAULT '', -- that is being filled,
  rows         bigint NOT NULL DEFAULT 0,  -- and how many it has
  finished     boolean NOT NULL DEFAULT false
);
