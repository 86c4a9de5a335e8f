-- Flag 16 of an inode: it has, or once had, extended attributes; those without are answered for from their row alone.
UPDATE inodes SET flags = flags | 16 WHERE inode IN (SELECT inode FROM xattrs);
