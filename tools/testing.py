"""Runs all tests as two pytest processes side by side; ends with 0 when all passed.

    python -m tools.testing

The half `processes` starts gateways, workers and servers and mostly waits for them: the nemesis, and `tests/system` but
for the proxy. The half `rooms` is everything else and mostly computes, so that two cores are busy. Each half is a whole
pytest session with servers, folders and ports of its own, and every test belongs to exactly one. Its full output stands
in build/tests/NAME.log, and is printed when something failed. SIGINT and SIGTERM end both halves as Ctrl-C ends one,
and leave no process behind.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "tests"
WHOLE_SYSTEMS = sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / "tests" / "system").glob("test_*.py"))
STARTING_PROCESSES = ("tests/nemesis", "tests/system/worker", *WHOLE_SYSTEMS)
HALVES = {
    "rooms": ("tests", *(f"--ignore={path}" for path in STARTING_PROCESSES)),
    "processes": STARTING_PROCESSES,
}
POLL_S = 0.5
TOLD_EVERY_S = 30.0  # where nobody looks at a terminal
ENDING_S = 60.0  # what a half may take to end its servers


@dataclass(slots=True, kw_only=True)
class Half:
    """One pytest process, and what it has told so far."""

    name: str
    process: subprocess.Popen[bytes]
    told: TextIO
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    wanted_count: int = 0
    over_count: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, float] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)

    def listen(self) -> list[str]:
        """Read what is new; the names of the tests that failed since the last look."""
        if self.ended is None and self.process.poll() is not None:
            self.ended = time.monotonic()
        news: list[str] = []
        while (line := self.told.readline()).endswith("\n"):
            what: dict[str, Any] = json.loads(line)
            if "wanted" in what:
                self.wanted_count = what["wanted"]
                continue
            name, outcome = what["name"], what["outcome"]
            self.over_count += what["is_over"]
            self.took_s[name] = self.took_s.get(name, 0.0) + what["took_s"]
            if outcome == "failed" and name not in self.failed:
                self.failed[name] = what["took_s"]
                news.append(name)
            elif outcome != "failed":
                self.counts[outcome] = self.counts.get(outcome, 0) + 1
        return news

    @property
    def is_good(self) -> bool:
        return self.process.returncode == 0 and not self.failed and self.over_count == self.wanted_count > 0

    @property
    def minutes(self) -> float:
        return ((self.ended or time.monotonic()) - self.began) / 60

    def progress(self) -> str:
        failed = f", {len(self.failed)} FAILED" if self.failed else ""
        return f"{self.name} {self.over_count}/{self.wanted_count or '?'}{failed}"

    def summary(self) -> str:
        counts = {"passed": self.counts.get("passed", 0), "failed": len(self.failed)}
        counts["skipped"] = self.counts.get("skipped", 0)
        counts["not run"] = self.wanted_count - self.over_count
        said = ", ".join(f"{count} {word}" for word, count in counts.items() if count or word == "passed")
        end = "" if self.process.returncode in (0, 1) else f", ended with {self.process.returncode}"
        return f"{self.name:10} {said} in {self.minutes:.1f} min{end}"


def start(name: str, arguments: tuple[str, ...], *, root: Path, logs: Path) -> Half:
    """Start one half; in a session of its own, so that a Ctrl-C reaches it once, and from here."""
    told = logs / f"{name}.jsonl"
    told.write_bytes(b"")
    words = ["-m", "pytest", "-q", "-p", "tools.telling", "--tell", str(told), *arguments]
    with (logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return Half(name=name, process=process, told=told.open(encoding="utf-8"))


def watch(halves: list[Half]) -> None:
    """Tell how far they are, and each failure at once, until both have ended."""
    next_at = time.monotonic() + TOLD_EVERY_S
    while True:
        are_all_over = all(half.ended is not None for half in halves)
        for half in halves:
            for name in half.listen():
                say(f"FAILED {name} ({half.name})")
        if are_all_over:
            return
        line = " · ".join([*(half.progress() for half in halves), f"{max(half.minutes for half in halves):.1f} min"])
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="", flush=True)
        elif time.monotonic() >= next_at:
            say(line)
            next_at += TOLD_EVERY_S
        time.sleep(POLL_S)


def say(line: str) -> None:
    """One line, over the progress where there is one."""
    print(f"\r\033[K{line}" if sys.stdout.isatty() else line, flush=True)


def end(halves: list[Half]) -> None:
    """Have both stop as a Ctrl-C would, and wait until their servers are gone."""
    for half in halves:
        if half.process.poll() is None:
            half.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + ENDING_S
    for half in halves:
        try:
            half.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            half.process.kill()
            half.process.wait()
        half.listen()


def report(halves: list[Half], *, logs: Path) -> None:
    """The output of each half that is not good, the slowest tests, and one line for each half."""
    for half in halves:
        if not half.is_good:
            say(f"\n{'-' * 20} {half.name}")
            say((logs / f"{half.name}.log").read_text(encoding="utf-8", errors="replace"))
    took_s = {name: took for half in halves for name, took in half.took_s.items()}
    say("\nslowest:")
    for name in sorted(took_s, key=lambda name: -took_s[name])[:10]:
        say(f"  {took_s[name]:5.1f} s  {name}")
    say("")
    for half in halves:
        for name, seconds in half.failed.items():
            say(f"FAILED {name} ({half.name}, {seconds:.1f} s)")
    for half in halves:
        say(half.summary())


def interrupted(number: int, _frame: object) -> None:
    """What SIGINT and SIGTERM do here."""
    raise KeyboardInterrupt(number)


def run(wanted: dict[str, tuple[str, ...]], *, root: Path, logs: Path) -> int:
    """Run the halves; the exit code: 0 all passed, 1 not, 130 interrupted."""
    logs.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    halves: list[Half] = []
    code = 0
    try:
        for name, arguments in wanted.items():
            halves.append(start(name, arguments, root=root, logs=logs))
        watch(halves)
    except KeyboardInterrupt:
        say("\ntest: interrupted, ending both halves")
        code = 130
    finally:
        end(halves)
    report(halves, logs=logs)
    code = code or (0 if all(half.is_good for half in halves) else 1)
    words = {0: "all passed", 130: "INTERRUPTED"}
    say(f"test: {words.get(code, 'FAILED')}")
    return code


if __name__ == "__main__":
    sys.exit(run(HALVES, root=ROOT, logs=LOGS))
