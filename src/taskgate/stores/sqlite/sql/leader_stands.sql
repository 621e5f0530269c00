SELECT count(*) FROM leaders WHERE duty = ? AND epoch = ?
