"""S29: no message forges a line of the worker's log, and no key gets into it (INV-A6)."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from taskgate.worker.logs import LONGEST, OneLine

KEY = "tg_aaaaaaaaaaaa_" + "s" * 43


def line(message: str, *, is_json: bool = False, error: bool = False) -> str:
    info = None
    if error:
        try:
            raise ValueError(KEY)
        except ValueError:
            info = sys.exc_info()
    record = logging.LogRecord("taskgate.x", logging.WARNING, "f", 1, "%s", (message,), info)
    return OneLine(is_json=is_json).format(record)


@pytest.mark.parametrize("evil", ["a\n12:00 info x: forged", "\x1b[2K\r", "\u202egnp.exe", "\u2028x", "\x00", "\x9b1m"])
@pytest.mark.parametrize("is_json", [False, True])
def test_s29_one_message_one_line(evil: str, is_json: bool) -> None:
    found = line(evil, is_json=is_json)
    assert found.isprintable()
    assert "taskgate.x" in found
    if is_json:
        assert json.loads(found)["level"] == "warning"


@pytest.mark.parametrize("is_json", [False, True])
def test_inv_a6_a_key_is_starred_out(is_json: bool) -> None:
    found = line(f"refused {KEY}", is_json=is_json, error=True)
    assert KEY not in found
    assert "refused ******" in found
    assert "ValueError" in found


def test_long_messages_are_cut() -> None:
    assert len(line("x" * 10**6)) < LONGEST + 100
