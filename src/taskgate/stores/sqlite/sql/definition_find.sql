SELECT content FROM definitions WHERE digest = ?
