"""Settings of identity.

Whether callers must show who they are; what each of them may do is in its key, not here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may come in.

    enabled: whether every call needs a credential. Default true. Off, everybody is an administrator, so that is
        refused unless every door listens on a loopback address.
    """

    enabled: bool = True
