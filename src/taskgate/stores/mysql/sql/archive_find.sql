-- A page of history; empty parameters restrict nothing. The cursor stands there twice, because these servers find no
-- index for a comparison of pairs.
SELECT head FROM archived_runs
WHERE site_id = %(site_id)s
    AND ended_at <= %(cursor_ended_at)s AND (ended_at < %(cursor_ended_at)s OR id < %(cursor_id)s)
    AND ended_at >= %(ended_from)s AND ended_at < %(ended_before)s
    AND (%(user_id)s = '' OR user_id = %(user_id)s)
    AND (%(task)s = '' OR task = %(task)s)
    AND (%(status)s = '' OR status = %(status)s)
    AND (%(label_mark)s = '' OR LOCATE(%(label_mark)s, marks) > 0)
    AND (%(holder_mark)s = '' OR LOCATE(%(holder_mark)s, marks) > 0)
    AND LEFT(id, %(id_prefix_length)s) = %(id_prefix)s
ORDER BY ended_at DESC, id DESC LIMIT %(limit)s
