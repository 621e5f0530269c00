-- the moment that a statement is performed at, epoch seconds (see moments.py)
coalesce($1::float8, extract(epoch FROM clock_timestamp())::float8)
