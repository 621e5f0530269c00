UPDATE runs SET stopped_at = {now} WHERE id = $2 AND attempt = $3 AND status + 0 > 2 AND stopped_at IS NULL
