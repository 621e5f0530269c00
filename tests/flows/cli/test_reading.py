"""Exports and downloads against servers that are no gateway, files that are no exports, logs that are no text."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from taskgate.cli import reading
from taskgate.cli.fetching import Shown
from tests.flows.cli.conftest import Run
from tests.flows.client.scripted import CUT, Reply, replies, serving

RUN = "00000000-0000-7000-8000-000000000000"
READS = [("runs", "logs", RUN, "--stream", "x"), ("history", "export", "out"), ("audit", "verify"), ("history", "ls")]
PAGE = b"<html>\x1b[31mhello</html>"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAUSE_S", 0.01)
    monkeypatch.setattr("taskgate.cli.fetching.PAUSE_S", 0.01)


@pytest.mark.parametrize("words", READS, ids=" ".join)
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(body=PAGE), "LINK_REMOTE"),
        (Reply(body=PAGE + b"\n"), "LINK_REMOTE"),
        (Reply(content=[1, 2]), "LINK_REMOTE"),
        (Reply(status=302, body=b"", headers={"Location": "http://127.0.0.1:1/"}), "LINK_REMOTE"),
        (CUT, "UNREACHABLE"),
    ],
    ids=["page", "lines", "list", "redirect", "cut"],
)
def test_no_gateway_is_told_in_words(run: Run, words: tuple[str, ...], reply: Reply, code: str) -> None:
    """Above all: nobody takes an empty file for a whole export, and then purges."""
    with serving(replies(reply)) as gateway:
        said = run(*words, "--json", url=gateway.url)
    assert (said.code, said.error["code"]) == (1, code)
    assert "\x1b" not in said.err + said.out


@pytest.mark.parametrize("text", ["notes", "{notes} of mine", "a\nb", '{"a":1}', '{"a":1}\n', "\n", "\n\n{"])
@pytest.mark.parametrize("what", ["history", "audit"])
def test_a_file_that_is_no_export_is_left_alone(run: Run, tmp_path: Path, what: str, text: str) -> None:
    file = tmp_path / "precious"
    file.write_text(text)
    with serving(replies(Reply(body=b""))) as gateway:
        said = run(what, "export", str(file), "--json", url=gateway.url)
    assert (said.code, said.error["code"]) == (1, "NOT_AN_EXPORT")
    assert file.read_text() == text


@pytest.mark.parametrize("half", ["", '{"id":"x', '{"cursor":"a"}\n', '{"cursor":"a"}\n{"id":"x'])
def test_half_a_line_of_an_export_is_fetched_again(run: Run, tmp_path: Path, half: str) -> None:
    file = tmp_path / "runs"
    file.write_text(half)
    with serving(replies(Reply(body=b'{"cursor":"b"}\n'))) as gateway:
        assert run("history", "export", str(file), url=gateway.url).code == 0
    whole = [json.loads(line)["cursor"] for line in file.read_text().splitlines()]
    assert whole == [*(["a"] if "\n" in half else []), "b"]
    assert ("cursor=a" in gateway.asked[-1].path) == ("\n" in half)


def test_s29_a_log_drives_no_terminal() -> None:
    out = io.StringIO()
    shown = Shown(out)
    for piece in (b"\x1b[31mred \xe2", b"\x9c\x93\t\xff\n\x00\r"):
        shown.write(piece)
    assert out.getvalue() == "\\x1b[31mred ✓\t\ufffd\n\\x00\\x0d"
