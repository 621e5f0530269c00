WITH {clock}
SELECT name, before, keep_until FROM revocations WHERE noted_at >= (SELECT now FROM clock) - $2::float8
