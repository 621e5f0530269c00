"""Administrative endpoints of tokens: exchange, join, take back.

The text of a token leaves in the answer that makes it, and never again. None is made for a worker's name that it could
never be used under: another worker's, where the credential behind it is one's alone, or one that another site has used.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from taskgate.edge.entrance import Entrance
from taskgate.edge.http import shapes
from taskgate.edge.http.admin import add, allowed, answer, call_of
from taskgate.edge.http.call import Call
from taskgate.edge.http.described import Gives
from taskgate.edge.http.doors import Doors
from taskgate.edge.http.reading import decoded, encoded
from taskgate.edge.http.rendering import moment, new_key_shape
from taskgate.edge.http.token_shapes import JoinBody, RevokeBody, TokenBody, TokenShape
from taskgate.edge.workers.naming import check_owner, site_of
from taskgate.errors import InvalidInput
from taskgate.identity.invitations import MAX_LIFE_S
from taskgate.identity.principal import Principal
from taskgate.ids import is_worker_id
from taskgate.runs.task import SHARED

TAG = "Keys"
KEY_SET = "/gateway/jwks.json"
JOIN = "/v1/tokens/join"


class TokenRoutes:
    """Tokens for whoever has a credential, join tokens for administrators, joining for whoever has one of those."""

    def __init__(self, doors: Doors, *, max_body_bytes: int) -> None:
        self._entrance: Entrance = doors.entrance
        self._roster = doors.roster
        self._max_body_bytes = max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Serve them."""
        made: dict[int, Gives] = {201: TokenShape}
        add(app, "POST /v1/tokens", endpoint=self._create, summary="Make a token", tag=TAG,
            operation_id="createToken", scope="", takes=TokenBody, gives=made,
            description="A short-lived token that may do no more than the credential that asks for it; or a join "
            "token, which makes one machine a worker. A credential that is one worker's makes tokens for that worker "
            "alone.")  # fmt: skip
        add(app, f"POST {JOIN}", endpoint=self._join, summary="Become a worker", tag=TAG,
            operation_id="joinWorker", scope="", takes=JoinBody, gives={201: shapes.NewKeyShape},
            description="With a join token as the credential: the answer is the worker's own key, once.")  # fmt: skip
        add(app, "POST /v1/tokens/revoke", endpoint=self._revoke, summary="Take tokens back", tag=TAG,
            operation_id="revokeToken", scope="admin", takes=RevokeBody, gives={204: "It is refused from now on."},
            description="At every gateway, and on connections that live.")  # fmt: skip

    async def _create(self, request: Request) -> Response:
        principal = allowed(request, "")
        body = decoded(await call_of(request).body(self._max_body_bytes), TokenBody)
        if body.kind == "join":
            return answer(await self._invited(principal, body), 201)
        text, made = await self._entrance.tokens.exchange(
            principal, scopes=body.scopes, life_s=body.life_s, worker_id=body.worker_id
        )
        if body.worker_id and not principal.worker_id:
            await check_owner(self._roster, made.worker_id, site_id=site_of(made))
        shape = TokenShape(
            id=made.token_id.removeprefix("jti:"),
            token=text,
            kind="token",
            subject=made.id,
            scopes=sorted(made.scopes),
            site_id=made.site_id,
            worker_id=made.worker_id,
            expires_at=moment(made.expires_at or 0.0),
        )
        return answer(shape, 201)

    async def _invited(self, principal: Principal, body: TokenBody) -> TokenShape:
        principal.require("admin")
        if is_worker_id(body.worker_id):  # what cannot be a name is refused below, and no store is asked for it
            site_id = SHARED if "serve:*" in (body.scopes or ()) else body.site_id
            await check_owner(self._roster, body.worker_id, site_id=site_id)
        made, text = await self._entrance.invitations.invite(
            principal,
            site_id=body.site_id,
            scopes=("worker",) if body.scopes is None else body.scopes,
            worker_id=body.worker_id,
            life_s=MAX_LIFE_S if body.life_s is None else body.life_s,
            key_days=body.key_days,
        )
        return TokenShape(
            id=made.id,
            token=text,
            kind="join",
            subject="",
            scopes=sorted(made.scopes),
            site_id=made.site_id,
            worker_id=made.worker_id,
            expires_at=moment(made.expires_at),
        )

    async def _join(self, request: Request) -> Response:
        principal = allowed(request, "")
        body = decoded(await call_of(request).body(self._max_body_bytes), JoinBody)
        record, text = await self._entrance.invitations.redeem(principal, worker_id=body.worker_id)
        return answer(new_key_shape(record, text), 201)

    async def _revoke(self, request: Request) -> Response:
        allowed(request, "admin")
        body = decoded(await call_of(request).body(self._max_body_bytes), RevokeBody)
        if bool(body.token_id) == bool(body.subject) or len(body.token_id + body.subject) > 512:
            raise InvalidInput("name a token_id or a subject", extra={"path": "/token_id"})
        request.state.told = {"token_id": body.token_id} if body.token_id else {"subject": body.subject}
        await self._entrance.tokens.take_back(f"jti:{body.token_id}" if body.token_id else body.subject)
        return Response(status_code=204)


class KeySetEndpoint:
    """`GET /gateway/jwks.json`: the public keys of this installation's own tokens, open to everybody."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def read(self, call: Call, _: str) -> None:
        """The set, good for as long as the next key is in it before it is used."""
        keys = self._doors.entrance.tokens.keys.published(self._doors.clock.now())
        await call.answer(200, encoded(keys))
