UPDATE leaders SET holder = NULL WHERE duty = ? AND holder = ?
