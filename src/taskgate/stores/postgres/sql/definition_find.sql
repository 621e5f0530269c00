SELECT content FROM definitions WHERE digest = $1
