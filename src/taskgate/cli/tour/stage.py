"""Where the tour plays: what a step is given, and how its calls and answers are shown.

A step meets the gateway as any caller does, through the client; it never looks into a store. What a call did not
answer is StepFailed, whose text is all that the visitor sees.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from taskgate import Client
from taskgate.cli.tour.household import Household

WIDE = 110


class StepFailed(Exception):
    """A call did not answer as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came back over plain HTTP; header names in lower case, `content` None when it is no JSON."""

    status: int
    headers: dict[str, str]
    content: Any


@dataclass(slots=True, kw_only=True)
class Stage:
    """The running system as a step sees it."""

    client: Client
    household: Household
    console: Console
    start_worker: Callable[[str], None]
    another_client: Callable[[], Client]
    url: str
    api_key: str

    def http(self, method: str, path: str, *, content: Any = None) -> Answered:
        """One plain HTTP call with the visitor's key, as any program would make it."""
        import urllib3

        headers = {"X-API-Key": self.api_key}
        body = None if content is None else {"json": content}
        try:
            answer = urllib3.request(
                method, self.url + path, headers=headers, retries=False, timeout=30.0, **(body or {})
            )
        except urllib3.exceptions.HTTPError as error:
            raise StepFailed(f"no answer: {error}") from error
        try:
            told = json.loads(answer.data)
        except ValueError:
            told = None
        found = {name.lower(): text for name, text in answer.headers.items()}
        return Answered(status=answer.status, headers=found, content=told)

    def call(self, text: str) -> None:
        """Show what is called."""
        self.console.print(f"   [cyan]→[/] {escape(text)}", highlight=False, soft_wrap=True)

    def answer(self, value: Any) -> None:
        """Show what came back, cut to one line."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        text = " ".join(text.split())
        line = text if len(text) <= WIDE else text[: WIDE - 1] + "…"
        self.console.print(f"   [green]←[/] {escape(line)}", highlight=False, soft_wrap=True)

    def await_workers(self, count: int, *, within_s: float = 20.0) -> None:
        """Return once that many workers are online."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if sum(worker.status == "online" for worker in self.client.workers.all()) >= count:
                return
            time.sleep(0.05)
        raise StepFailed(f"{count} workers were not online within {within_s:.0f} s")


def expect(claim: object, otherwise: str) -> None:
    """Raise StepFailed with `otherwise` unless the claim holds."""
    if not claim:
        raise StepFailed(otherwise)
