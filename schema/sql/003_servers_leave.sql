-- Storage servers that are emptied, and since when a server has not been heard of (0: it is there). Wall-clock time,
-- written by the coordinator, taken back by any tracker that hears of the server.
ALTER TABLE storages ADD COLUMN draining INTEGER NOT NULL DEFAULT 0;
ALTER TABLE storages ADD COLUMN away_since BIGINT NOT NULL DEFAULT 0;
-- What lies on a server, in order of inode. MariaDB's replicas_behind serves that too.
--@sqlite CREATE INDEX replicas_in_sync ON replicas(storage, inode) WHERE state = 0;
