-- Empty parameters restrict nothing.
SELECT seq, content, hash FROM audit_entries
WHERE (:cursor = 0 OR seq < :cursor)
    AND (:action = '' OR action = :action)
    AND (:outcome = '' OR outcome = :outcome)
    AND (:actor_id = '' OR actor_id = :actor_id)
    AND (:subject = '' OR subject = :subject)
    AND (:at_from IS NULL OR at >= :at_from)
    AND (:at_before IS NULL OR at < :at_before)
ORDER BY seq DESC LIMIT :limit
