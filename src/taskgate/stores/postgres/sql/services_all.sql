SELECT content FROM services ORDER BY position
