content, first_seen_at, last_seen_at, gone_at
