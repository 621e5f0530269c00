-- Ended runs, whole, with what they are looked up by. Texts are bytes, so that no collation has a say in what is equal.
-- A body that is larger than one piece is in `archived_pieces`, in as many packets as it needs.

CREATE TABLE IF NOT EXISTS archived_runs (
    id          VARBINARY(64)   NOT NULL PRIMARY KEY,
    site_id     VARBINARY(128)  NOT NULL,
    user_id     VARBINARY(128)  NOT NULL,
    task        VARBINARY(128)  NOT NULL,
    status      VARBINARY(16)   NOT NULL,
    ended_at    DOUBLE          NOT NULL,
    is_stopped  TINYINT         NOT NULL,
    marks       MEDIUMBLOB      NOT NULL,
    head        MEDIUMBLOB      NOT NULL,
    body        LONGBLOB        NOT NULL,
    piece_count INT             NOT NULL,
    KEY archived_of_site (site_id, ended_at, id),
    KEY archived_of_user (site_id, user_id, ended_at, id),
    KEY archived_of_task (site_id, task, ended_at, id),
    KEY archived_by_end (ended_at, id)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS archived_pieces (
    run_id      VARBINARY(64)   NOT NULL,
    number      INT             NOT NULL,
    piece       LONGBLOB        NOT NULL,
    PRIMARY KEY (run_id, number)
) ENGINE = InnoDB;
