-- Who did what. Nothing here is ever updated; retention takes the oldest and moves the checkpoint.

CREATE TABLE audit_entries (
    seq         INTEGER NOT NULL PRIMARY KEY,
    at          REAL    NOT NULL,
    action      TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    actor_id    TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    content     BLOB    NOT NULL,               -- the deed as JSON: what the hash is of
    hash        TEXT    NOT NULL
) STRICT;

CREATE TABLE audit_ends (
    only_row        INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    checkpoint_seq  INTEGER NOT NULL,
    checkpoint_hash TEXT    NOT NULL,
    head_seq        INTEGER NOT NULL,
    head_hash       TEXT    NOT NULL
) STRICT;

INSERT INTO audit_ends VALUES (1, 0, printf('%064d', 0), 0, printf('%064d', 0));

CREATE INDEX audit_of_actor ON audit_entries (actor_id, seq);
CREATE INDEX audit_of_subject ON audit_entries (subject, seq);
CREATE INDEX audit_of_action ON audit_entries (action, seq);
