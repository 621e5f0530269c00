unnest($4::run_to_move[]) AS v
