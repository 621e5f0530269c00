clock AS MATERIALIZED (SELECT {now} AS now)
