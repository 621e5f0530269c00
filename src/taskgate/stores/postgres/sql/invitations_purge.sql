WITH {clock}
DELETE FROM invitations WHERE expires_at < (SELECT now FROM clock) - 86400
