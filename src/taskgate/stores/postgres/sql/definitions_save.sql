INSERT INTO definitions (digest, content)
SELECT v.digest, v.content FROM unnest($1::text[], $2::bytea[]) AS v(digest, content)
ON CONFLICT (digest) DO NOTHING
