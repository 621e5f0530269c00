UPDATE invitations SET used_at = $2::float8
WHERE id = $1::text AND used_at IS NULL AND expires_at > $2::float8
RETURNING id
