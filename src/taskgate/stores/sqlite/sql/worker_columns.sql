worker_id, site_id, kind, transport, tasks, labels, slots, key_id, first_seen_at, last_seen_at, gone_at, metadata
