{audit_ends} FOR UPDATE
