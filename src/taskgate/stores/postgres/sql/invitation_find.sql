SELECT used_at, content FROM invitations WHERE id = $1::text
