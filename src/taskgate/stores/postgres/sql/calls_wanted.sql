-- $1 the id that all come before, $2 how many at most
id < $1
    AND ($3::text = '' OR user_id = $3)
    AND ($4::text = '' OR service = $4)
    AND ($5::text = '' OR route = $5)
    AND ($6::integer IS NULL OR status = $6)
    AND ($7::integer IS NULL OR status / 100 = $7)
