UPDATE leaders SET holder = NULL WHERE duty = $1 AND holder = $2
