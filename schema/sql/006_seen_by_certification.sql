-- Counters that are raised so that a transaction writes what it relies on. A row that was only locked is locked at one
-- node of a Galera cluster, and not certified: transactions at two nodes would both be committed.
ALTER TABLE inodes ADD COLUMN locks_taken BIGINT NOT NULL DEFAULT 0;   -- advisory locks, ever
ALTER TABLE cluster ADD COLUMN tree_moves BIGINT NOT NULL DEFAULT 0;   -- of directories into other directories
ALTER TABLE leases ADD COLUMN relied_on BIGINT NOT NULL DEFAULT 0;     -- by transactions of the holder
