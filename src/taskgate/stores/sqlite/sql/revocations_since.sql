SELECT name, before, keep_until FROM revocations WHERE noted_at >= ?
