-- Registered services, and which paths a key may register.

CREATE TABLE services (
    position    INTEGER NOT NULL PRIMARY KEY,   -- the order of first registration
    name        TEXT    NOT NULL UNIQUE,
    content     BLOB    NOT NULL                -- the service as JSON
) STRICT;

ALTER TABLE keys ADD COLUMN prefixes TEXT NOT NULL DEFAULT '[]';  -- JSON
