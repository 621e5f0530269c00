SELECT subject FROM subjects WHERE subject > ? AND subject < ? ORDER BY subject LIMIT ?
