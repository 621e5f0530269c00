"""What is asked for and given about tokens.

Shapes of the wire alone: who may ask for what is decided behind the door, and nothing here holds a secret longer than
the answer that carries it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from taskgate.edge.http.bodies import Shape
from taskgate.edge.http.shapes import Given


class TokenBody(Shape):
    """A token, or (`kind: join`) a join token for a new worker.

    A token may do what the credential that asks may do, or only `scopes`, for `life_s` seconds; with a `worker_id` it
    is that worker's alone. A join token is made by administrators: for which site, with which scopes and for how many
    days the worker's key will be good.
    """

    kind: Literal["token", "join"] = "token"
    scopes: list[str] | None = None
    life_s: float | None = None
    worker_id: str = ""
    site_id: str = "default"
    key_days: float | None = None


class JoinBody(Shape):
    """Which worker joins."""

    worker_id: str


class RevokeBody(Shape):
    """What is taken back: one token by its id, or everything that was issued to a subject until now."""

    token_id: str = ""
    subject: str = ""


class TokenShape(Given):
    """A token that was just made: the only time that its text is shown. `id` takes it back."""

    id: str
    token: str
    kind: str
    subject: str
    scopes: list[str]
    site_id: str
    worker_id: str
    expires_at: datetime
