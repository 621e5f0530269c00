WITH {clock}
DELETE FROM revocations WHERE keep_until < (SELECT now FROM clock)
