-- The catalog, step 1. One file per step; a step that was released is never edited, a new one is added.
-- Lines that begin with --@sqlite or --@mariadb are for that engine only. Statements end with ';' at a line's end.
-- Strings are raw bytes. Times are nanoseconds since the Unix epoch unless a column says otherwise. Ids that a client
-- draws at random (64 bits) are stored as signed integers with the same bits.

CREATE TABLE cluster (
  id INTEGER NOT NULL PRIMARY KEY,         -- always 1
  name VARBINARY(255) NOT NULL,
  uuid VARBINARY(64) NOT NULL,
  created_at BIGINT NOT NULL
)
--@mariadb ENGINE=InnoDB
;

-- Every object with a number: files, directories, links, nodes. Also those without a name that are still pinned or in
-- the trash (nlink 0).
CREATE TABLE inodes (
--@sqlite  inode INTEGER PRIMARY KEY,
--@mariadb inode BIGINT NOT NULL PRIMARY KEY,
  type INTEGER NOT NULL,                   -- FileType of schema/types.capnp
  mode INTEGER NOT NULL,                   -- permission bits, 07777
  nlink INTEGER NOT NULL,
  uid BIGINT NOT NULL,
  gid BIGINT NOT NULL,
  size BIGINT NOT NULL,
  blocks BIGINT NOT NULL,
  atime BIGINT NOT NULL,
  mtime BIGINT NOT NULL,
  ctime BIGINT NOT NULL,
  rdev BIGINT NOT NULL,
  state INTEGER NOT NULL,                  -- FileState
  epoch BIGINT NOT NULL,
  change_id BIGINT NOT NULL,
  tenant VARBINARY(255) NOT NULL,          -- files: the user at creation
  path VARBINARY(1024) NOT NULL,           -- files: path at creation; directories: their present name
--@mariadb target VARBINARY(4096) NOT NULL,
--@sqlite  target BLOB NOT NULL,
  parent BIGINT NOT NULL,                  -- directories: the directory that has them
  group_name VARBINARY(64) NOT NULL,       -- files: the storage group
  copies INTEGER NOT NULL,                 -- files: wanted replicas
  missing INTEGER NOT NULL,                -- files: copies minus in-sync replicas, never below 0; 0 for others
  opener BIGINT NOT NULL,                  -- files: the client that opened it last for writing
  opened_at BIGINT NOT NULL,
  mtime_fixed BIGINT NOT NULL,             -- when a client last set mtime itself; older reports do not change it
  flags INTEGER NOT NULL                   -- 1: reopened since creation, 2: has a default ACL
)
--@mariadb ENGINE=InnoDB
;
--@sqlite  CREATE INDEX inodes_open ON inodes(opened_at) WHERE state = 1;
--@mariadb CREATE INDEX inodes_open ON inodes(state, opened_at);
--@sqlite  CREATE INDEX inodes_missing ON inodes(inode) WHERE missing > 0;
--@mariadb CREATE INDEX inodes_missing ON inodes(missing, inode);

CREATE TABLE dentries (
  parent BIGINT NOT NULL,
  name VARBINARY(255) NOT NULL,
  inode BIGINT NOT NULL,
  type INTEGER NOT NULL,
  cookie BIGINT NOT NULL,                  -- position in listings: unique, never repeated
  PRIMARY KEY (parent, name)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;
CREATE UNIQUE INDEX dentries_cookie ON dentries(parent, cookie);

-- Who holds a file. Ordered by position: the first in-sync one is the primary.
CREATE TABLE replicas (
  inode BIGINT NOT NULL,
  position INTEGER NOT NULL,
  storage INTEGER NOT NULL,
  state INTEGER NOT NULL,                  -- ReplicaState
  PRIMARY KEY (inode, position)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;
--@sqlite  CREATE INDEX replicas_behind ON replicas(storage, inode) WHERE state > 0;
--@mariadb CREATE INDEX replicas_behind ON replicas(storage, state, inode);

CREATE TABLE xattrs (
  inode BIGINT NOT NULL,
  name VARBINARY(255) NOT NULL,
--@sqlite  value BLOB NOT NULL,
--@mariadb value MEDIUMBLOB NOT NULL,
  PRIMARY KEY (inode, name)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;

CREATE TABLE storage_groups (
  name VARBINARY(64) NOT NULL PRIMARY KEY,
  copies INTEGER NOT NULL
)
--@mariadb ENGINE=InnoDB
;

CREATE TABLE users (
  name VARBINARY(255) NOT NULL PRIMARY KEY,
  group_name VARBINARY(64) NOT NULL
)
--@mariadb ENGINE=InnoDB
;

CREATE TABLE storages (
  id INTEGER NOT NULL PRIMARY KEY,
  name VARBINARY(64) NOT NULL UNIQUE,      -- the server's identity for ever
  group_name VARBINARY(64) NOT NULL,
  zone VARBINARY(255) NOT NULL,
  address VARBINARY(255) NOT NULL,
  data_directory VARBINARY(4096) NOT NULL
)
--@mariadb ENGINE=InnoDB
;

-- What committed requests answered, so that a repeat after a lost connection is recognised. Kept 10 minutes.
CREATE TABLE requests (
  client BIGINT NOT NULL,
  sequence BIGINT NOT NULL,
  op INTEGER NOT NULL,
  inode BIGINT NOT NULL,
  other BIGINT NOT NULL,                   -- rename: the inode that lost its name
  flag INTEGER NOT NULL,                   -- create: whether it made the inode
  made_at BIGINT NOT NULL,
  PRIMARY KEY (client, sequence)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;

-- Nameless inodes that a client still has open.
CREATE TABLE pins (
  inode BIGINT NOT NULL,
  client BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (inode, client)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;

-- Nameless inodes, to be reclaimed at `due` unless pinned.
CREATE TABLE trash (
--@sqlite  inode INTEGER PRIMARY KEY,
--@mariadb inode BIGINT NOT NULL PRIMARY KEY,
  due BIGINT NOT NULL
)
--@mariadb ENGINE=InnoDB
;
CREATE INDEX trash_due ON trash(due, inode);

-- Replicas that are wanted no more and whose server has not been told yet (it may be away).
CREATE TABLE removals (
  storage INTEGER NOT NULL,
  inode BIGINT NOT NULL,
  PRIMARY KEY (storage, inode)
)
--@sqlite  WITHOUT ROWID
--@mariadb ENGINE=InnoDB
;
CREATE INDEX removals_inode ON removals(inode);

-- Roles that one tracker has at a time.
CREATE TABLE leases (
  role VARBINARY(32) NOT NULL PRIMARY KEY,
  holder VARBINARY(255) NOT NULL,
  candidate VARBINARY(255) NOT NULL,
  term BIGINT NOT NULL,                    -- raised by every change of holder
  expires BIGINT NOT NULL
)
--@mariadb ENGINE=InnoDB
;

-- Ids when no ID server is configured.
CREATE TABLE counters (
  name VARBINARY(32) NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
)
--@mariadb ENGINE=InnoDB
;
