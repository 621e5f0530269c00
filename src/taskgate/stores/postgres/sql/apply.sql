-- Moves that leave no attempt behind, each only where its decision saw the run.
WITH {mandate}
UPDATE runs SET {moved} FROM {moves} WHERE {move_guard}
RETURNING v.place
