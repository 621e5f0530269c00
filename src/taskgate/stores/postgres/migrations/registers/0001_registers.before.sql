-- What changes rarely: task definitions, API keys, workers ever seen, services. Records are JSON, beside them in
-- columns what statements look at.

CREATE TABLE definitions (
    digest          text    COLLATE "C" NOT NULL PRIMARY KEY,
    content         bytea   NOT NULL                -- kept for ever, runs name it by digest
);

CREATE TABLE current_definitions (
    site_id         text    COLLATE "C" NOT NULL,
    name            text    COLLATE "C" NOT NULL,
    version         text    COLLATE "C" NOT NULL,
    digest          text    COLLATE "C" NOT NULL,
    saved           bigint  NOT NULL,               -- grows with every save: the newest version of a name is saved last
    PRIMARY KEY (site_id, name, version)
);

CREATE INDEX current_definitions_by_age ON current_definitions (saved);

CREATE TABLE keys (
    id              text    COLLATE "C" NOT NULL PRIMARY KEY,
    created_at      double precision NOT NULL,
    revoked_at      double precision,               -- set once; what `content` says of it does not count
    content         bytea   NOT NULL
);

CREATE INDEX keys_by_age ON keys (created_at, id);

CREATE TABLE workers (
    worker_id       text    COLLATE "C" NOT NULL PRIMARY KEY,
    site_id         text    COLLATE "C" NOT NULL,
    first_seen_at   double precision NOT NULL,      -- these three count, not what `content` says of them
    last_seen_at    double precision NOT NULL,
    gone_at         double precision,
    content         bytea   NOT NULL
);

CREATE INDEX workers_of_site ON workers (site_id, worker_id);

CREATE TABLE services (
    name            text    COLLATE "C" NOT NULL PRIMARY KEY,
    position        bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,  -- the order of first registration
    content         bytea   NOT NULL
);

CREATE INDEX services_by_age ON services (position);
