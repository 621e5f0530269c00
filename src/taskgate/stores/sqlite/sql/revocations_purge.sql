DELETE FROM revocations WHERE keep_until < ?
