-- Invitations of workers, and what was taken back.

CREATE TABLE invitations (
    id              text    COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at      double precision NOT NULL,
    used_at         double precision,               -- set once, by the one who may honour it
    content         bytea   NOT NULL                -- the invitation as JSON, its secret as SHA-256
);

CREATE INDEX invitations_by_end ON invitations (expires_at);

CREATE TABLE revocations (
    name            text    COLLATE "C" NOT NULL PRIMARY KEY,
    before          double precision NOT NULL,      -- what was issued until then is refused
    keep_until      double precision NOT NULL,      -- nothing it could refuse lives longer
    noted_at        double precision NOT NULL       -- by the clock of the store
);

CREATE INDEX revocations_noted ON revocations (noted_at);
CREATE INDEX revocations_by_end ON revocations (keep_until);
