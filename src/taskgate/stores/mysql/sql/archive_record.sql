-- One that is there stays as it is, unless only the newcomer knows when it stopped. Assignments go from left to right,
-- and the last one changes what the others look at.
INSERT INTO archived_runs (
    id, site_id, user_id, task, status, ended_at, is_stopped, marks, head, body, piece_count
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON DUPLICATE KEY UPDATE
    head = IF(VALUES(is_stopped) > is_stopped, VALUES(head), head),
    body = IF(VALUES(is_stopped) > is_stopped, VALUES(body), body),
    piece_count = IF(VALUES(is_stopped) > is_stopped, VALUES(piece_count), piece_count),
    is_stopped = GREATEST(is_stopped, VALUES(is_stopped))
