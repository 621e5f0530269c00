"""Whether somebody who came in may stay: asked for streams, tickets and links, which outlive the moment of coming in.

News of a revocation ends them at once; this is for those whose news were lost, and for credentials that end by time.
"""

from __future__ import annotations

from taskgate.identity.keytext import is_key_id
from taskgate.identity.principal import Principal
from taskgate.identity.recall import KeyRecall
from taskgate.identity.tokens import Tokens


class Standing:
    """Asks what each kind of credential stands on. Without `tokens` there are only keys."""

    def __init__(self, recall: KeyRecall) -> None:
        self._recall = recall
        self.tokens: Tokens | None = None

    async def holds(self, principal: Principal) -> bool:
        """Whether its credential is still good; Unavailable when nobody can tell."""
        if self.tokens is not None and self.tokens.refuses(principal):
            return False
        return not is_key_id(principal.id) or await self._recall.is_good(principal.id)
