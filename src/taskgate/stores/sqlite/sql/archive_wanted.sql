-- What a page of history may hold; empty parameters restrict nothing. `id_end` sorts behind everything that begins
-- with `id_prefix`.
site_id = :site_id
    AND (ended_at, id) < (:cursor_ended_at, :cursor_id)
    AND ended_at >= :ended_from AND ended_at < :ended_before
    AND (:user_id = '' OR user_id = :user_id)
    AND (:task = '' OR task = :task)
    AND (:status = '' OR status = :status)
    AND (:label_mark = '' OR instr(marks, :label_mark) > 0)
    AND (:holder_mark = '' OR instr(marks, :holder_mark) > 0)
    AND (:id_prefix = '' OR (id >= :id_prefix AND id < :id_end))
