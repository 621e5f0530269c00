-- What a page of history may hold; empty parameters restrict nothing. `$12` sorts behind everything that begins with
-- `$11`.
site_id = $1
    AND (ended_at, id) < ($2::double precision, $3::text)
    AND ended_at >= $4::double precision AND ended_at < $5::double precision
    AND ($6::text = '' OR user_id = $6)
    AND ($7::text = '' OR task = $7)
    AND ($8::text = '' OR status = $8)
    AND ($9::text = '' OR position($9::text in marks) > 0)
    AND ($10::text = '' OR position($10::text in marks) > 0)
    AND ($11::text = '' OR (id >= $11 AND id < $12::text))
ORDER BY ended_at DESC, id DESC LIMIT $13::bigint
