-- One that is there stays as it is, unless only the newcomer knows when it stopped.
INSERT INTO archived_runs (id, site_id, user_id, task, status, ended_at, is_stopped, marks, head, body)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::double precision[], $7::boolean[], $8::text[],
    $9::bytea[], $10::bytea[]
)
ON CONFLICT (id) DO UPDATE SET is_stopped = true, head = excluded.head, body = excluded.body
WHERE excluded.is_stopped AND NOT archived_runs.is_stopped
