INSERT INTO workers ({worker_columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (worker_id) DO UPDATE SET
    kind = excluded.kind,
    transport = excluded.transport,
    tasks = excluded.tasks,
    labels = excluded.labels,
    slots = excluded.slots,
    key_id = excluded.key_id,
    last_seen_at = excluded.last_seen_at,
    gone_at = excluded.gone_at,
    metadata = excluded.metadata
WHERE workers.site_id = excluded.site_id
