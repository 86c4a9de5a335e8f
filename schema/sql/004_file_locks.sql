-- Advisory locks of files (flock, fcntl), one row per range.
CREATE TABLE file_locks (
  inode BIGINT NOT NULL,
  kind INTEGER NOT NULL,                   -- LockKind of schema/types.capnp
  client BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  start_byte BIGINT NOT NULL,
  end_byte BIGINT NOT NULL,                  -- 2^63-1: to the end of the file
  type INTEGER NOT NULL,                   -- LockType
  pid BIGINT NOT NULL,
  PRIMARY KEY (inode, kind, client, owner, start_byte)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;
CREATE INDEX file_locks_client ON file_locks(client);

-- Clients that have or want locks.
CREATE TABLE lock_clients (
  client BIGINT NOT NULL PRIMARY KEY,
  session BIGINT NOT NULL,                 -- the client's latest; calls of earlier ones are refused
  expires BIGINT NOT NULL                  -- from then on its locks give way to others'
)
--@mariadb ENGINE=InnoDB
;

-- Who waits for a range, so that nobody waits for somebody who waits for him.
CREATE TABLE lock_waits (
  client BIGINT NOT NULL,
  owner BIGINT NOT NULL,
  inode BIGINT NOT NULL,
  start_byte BIGINT NOT NULL,
  end_byte BIGINT NOT NULL,
  type INTEGER NOT NULL,
  until_ns BIGINT NOT NULL,                -- asked again by then, or it has given up
  PRIMARY KEY (client, owner)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;
