-- Held until the commit: whoever wants to lead next waits for it. Empty once another epoch has begun.
mandate AS MATERIALIZED (SELECT 1 FROM leaders WHERE duty = $1::text AND epoch = $2::bigint FOR SHARE)
