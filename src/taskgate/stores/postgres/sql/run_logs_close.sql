UPDATE run_logs SET sha256 = $4 WHERE run_id = $1 AND attempt = $2 AND stream = $3
