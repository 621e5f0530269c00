DELETE FROM services WHERE name = ?
