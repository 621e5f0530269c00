user_id = :user_id AND user_id <> ''
