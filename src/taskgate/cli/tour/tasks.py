"""The tasks that `taskgate up` brings along: small, real, and each good for one thing worth seeing.

They import the standard library and taskgate's own names alone, so that a worker of the base install can offer them.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

from taskgate import Context, task

_WORD = re.compile(r"[^\W\d_]{4,}")


@task(name="demo.greet", examples=[{"name": "Ada"}])
def greet(name: str) -> str:
    """Say hello to somebody."""
    return f"Hello, {name}!"


@task(name="text.keywords", timeout_s=60, examples=[{"text": "to be or not to be, that is the question", "top": 2}])
def keywords(text: str, top: int = 10, *, context: Context) -> list[str]:
    """The most frequent words of a text, longest first among equals."""
    words = Counter(word.lower() for word in _WORD.findall(text))
    context.log(f"{sum(words.values())} words, {len(words)} different ones")
    ranked = sorted(words.items(), key=lambda item: (-item[1], -len(item[0]), item[0]))
    return [word for word, _ in ranked[:top]]


@task(name="demo.count", timeout_s=600, examples=[{"to": 5, "pause_s": 0.1}])
def count(to: int, pause_s: float = 0.2, *, context: Context) -> int:
    """Count slowly, telling how far it is; stops when it is cancelled."""
    for number in range(1, to + 1):
        if context.cancelled:
            break
        time.sleep(pause_s)
        context.progress(number / to, f"{number} of {to}")
    return to


@task(name="demo.flaky", retries=5, examples=[{"failures": 2}])
def flaky(failures: int, *, context: Context) -> str:
    """Fail in the first attempts, then succeed: what a retry is for."""
    if context.attempt <= failures:
        raise ConnectionError(f"attempt {context.attempt} found nobody at the other end")
    return f"succeeded in attempt {context.attempt}"


@task(name="demo.needs_file", retries=0, examples=[{"path": "present.txt"}])
def needs_file(path: str) -> str:
    """Give back a file's first line; fails for good while there is no such file."""
    return Path(path).read_text(encoding="utf-8").splitlines()[0]
