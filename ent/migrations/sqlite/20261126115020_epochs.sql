-- +goose Up
-- create "epochs" table
CREATE TABLE `epochs` (
  `id` integer NOT NULL PRIMARY KEY AUTOINCREMENT,
  `value` integer NOT NULL
);
-- create "leases" table
CREATE TABLE `leases` (
  `id` text NOT NULL,
  `seen` integer NOT NULL,
  PRIMARY KEY (`id`)
);

-- +goose Down
-- reverse: create "leases" table
DROP TABLE `leases`;
-- reverse: create "epochs" table
DROP TABLE `epochs`;
