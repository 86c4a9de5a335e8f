-- The newest report of a primary that was taken in: its epoch and the file's mtime in it. A report that was on its way
-- through a cut network may arrive years after the ones that followed it, and is known by this.
ALTER TABLE inodes ADD COLUMN reported_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inodes ADD COLUMN reported_mtime BIGINT NOT NULL DEFAULT 0;
