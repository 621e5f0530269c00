-- Whoever saves definitions does so alone, so that the order of saving is one for all gateways.
SELECT pg_advisory_xact_lock(hashtextextended('taskgate definitions', 0))
