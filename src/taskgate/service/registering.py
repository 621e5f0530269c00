"""`register(app)` and `with registered(…)`: the two ways in which a service announces itself.

Neither ever raises or stops the service; what is wrong stands in the log and in the registration's `problem`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from taskgate.service.bodies import Exposed, body_of, exposed
from taskgate.service.collecting import document_of, routes_of
from taskgate.service.registration import Registration
from taskgate.service.settings import find_settings

_log = logging.getLogger("taskgate.service")


def register(
    app: Any,
    *,
    name: str | None = None,
    base_url: str | None = None,
    gateway_url: str | None = None,
    api_key: str | None = None,
    prefix: str | None = None,
    policy: Mapping[str, Any] | None = None,
    expose: Exposed | None = None,
    lease_s: float | None = None,
) -> Registration:
    """Have a FastAPI or Starlette application registered while it runs: at its start, again and again, not after it.

    What is None comes from the environment: SERVICE_NAME (else the application's title), SERVICE_BASE_URL,
    GATEWAY_URL (empty: nothing happens), TASKGATE_API_KEY, GATEWAY_PREFIX. `policy` holds for every route of the
    service; `expose` picks routes and gives them other public paths or policies of their own, None takes all that
    the application's document shows. Call it once, anywhere: what is added to the application later is seen too.
    """
    settings = find_settings(
        title=_title(app),
        name=name,
        base_url=base_url,
        gateway_url=gateway_url,
        api_key=api_key,
        prefix=prefix,
        lease_s=lease_s,
    )

    def body() -> bytes:
        document = document_of(app)
        return body_of(
            settings,
            exposed(routes_of(app, document), expose),
            policy=policy,
            members=None if document is None else {"openapi": document},
        )

    registration = Registration(settings, body=body)
    _extend_lifespan(app, registration)
    return registration


@contextmanager
def registered(
    *,
    routes: Sequence[Mapping[str, Any]] | None = None,
    members: Mapping[str, Any] | None = None,
    name: str | None = None,
    base_url: str | None = None,
    gateway_url: str | None = None,
    api_key: str | None = None,
    prefix: str | None = None,
    policy: Mapping[str, Any] | None = None,
    lease_s: float | None = None,
) -> Iterator[Registration]:
    """Have any HTTP service registered while the block runs, whatever it is written with.

    `routes` are `{name, method, gateway_path, upstream_path, summary, …}`, `members` whatever else a registration
    may say (`openapi`, `openapi_url`, …); the rest is as for `register`.
    """
    settings = find_settings(
        name=name, base_url=base_url, gateway_url=gateway_url, api_key=api_key, prefix=prefix, lease_s=lease_s
    )
    registration = Registration(settings, body=lambda: body_of(settings, routes, policy=policy, members=members))
    registration.start()
    try:
        yield registration
    finally:
        registration.stop()


def _title(app: Any) -> str:
    """The application's title, unless it is the framework's own."""
    title = getattr(app, "title", "")
    return title if isinstance(title, str) and title != "FastAPI" else ""


def _extend_lifespan(app: Any, registration: Registration) -> None:
    router = getattr(app, "router", None)
    inner: Callable[[Any], Any] | None = getattr(router, "lifespan_context", None)
    if router is None or inner is None:
        _log.error("%s has no lifespan to extend: use `with taskgate.service.registered(…)`", type(app).__name__)
        return

    @asynccontextmanager
    async def lifespan(served: Any) -> AsyncIterator[Any]:
        async with inner(served) as state:
            registration.start()
            try:
                yield state
            finally:
                await asyncio.to_thread(registration.stop)

    router.lifespan_context = lifespan
