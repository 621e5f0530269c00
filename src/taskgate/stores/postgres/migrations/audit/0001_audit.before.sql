-- Who did what. Nothing here is ever updated; retention takes the oldest and moves the checkpoint. Whoever appends
-- holds the row of `audit_ends`, so that however many gateways write there is one chain.

CREATE TABLE audit_entries (
    seq         bigint  NOT NULL PRIMARY KEY,
    at          double precision NOT NULL,
    action      text    COLLATE "C" NOT NULL,
    outcome     text    COLLATE "C" NOT NULL,
    actor_id    text    COLLATE "C" NOT NULL,
    subject     text    COLLATE "C" NOT NULL,
    content     bytea   NOT NULL,               -- the deed as JSON: what the hash is of
    hash        text    NOT NULL
);

CREATE TABLE audit_ends (
    only_row        integer NOT NULL PRIMARY KEY CHECK (only_row = 1),
    checkpoint_seq  bigint  NOT NULL,
    checkpoint_hash text    NOT NULL,
    head_seq        bigint  NOT NULL,
    head_hash       text    NOT NULL
);

INSERT INTO audit_ends VALUES (1, 0, repeat('0', 64), 0, repeat('0', 64));

CREATE INDEX audit_of_actor ON audit_entries (actor_id, seq);
CREATE INDEX audit_of_subject ON audit_entries (subject, seq);
CREATE INDEX audit_of_action ON audit_entries (action, seq);
