"""What the task process costs a warm run: from the hand-over by the link process to the result back in it.

The benchmark plays the link process of one task process and gives it noop runs one at a time, so neither network
nor gateway is in the figure. All of it is overhead: the task itself returns its argument.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.places import PEERS
from benchmarks.processes import Processes, Trouble
from benchmarks.progress import say
from benchmarks.tables import Goal, Section, median, percentile, spread
from benchmarks.usage import cpu_s

RUNS = 5_000
QUICK_RUNS = 1_000
WARM_RUNS = 300
ANSWER_S = 10.0
LOAD_S = 30.0
GOAL_MS = 0.4
PAYLOAD = b'{"id":"task-0001","prompt":"' + b"x" * 70 + b'"}'
HEADS = ("round", "runs", "mean ms", "p50 ms", "p99 ms", "CPU µs in the task process")


class OneTaskProcess:
    """The link process's side of one task process, blocking."""

    def __init__(self, child: Any) -> None:
        from taskgate.worker.frames import FrameReader, ToLink

        self.child = child
        self._frames = FrameReader()
        self._decode = msgspec.msgpack.Decoder(ToLink).decode
        self._number = 0
        child.sock.setblocking(True)

    def perform(self) -> Any:
        """One run, from the hand-over to its end."""
        from taskgate.worker.frames import Go, pack

        self._number += 1
        go = Go(
            number=self._number,
            run_id="bench",
            attempt=1,
            task="noop",
            version="",
            payload=PAYLOAD,
            timeout_s=None,
            max_output_bytes=1 << 20,
            max_log_bytes=1 << 20,
            tenant={},
            labels={},
            traceparent="",
        )
        os.eventfd_write(self.child.ticket_fd, 1)
        self.child.sock.sendall(pack(go))
        return self.hear(ANSWER_S)

    def hear(self, timeout_s: float) -> Any:
        """The next frame; Trouble when none comes."""
        while True:
            ready, _, _ = select.select([self.child.sock], [], [], timeout_s)
            chunk = self.child.sock.recv(1 << 18) if ready else b""
            if not chunk:
                raise Trouble("the task process ended" if ready else "the task process does not answer")
            for body in self._frames.feed(chunk):
                return self._decode(body)


def measure_overhead(
    processes: Processes, run: Path, *, rounds: int, count: int = 0, is_quick: bool = False
) -> Section:
    """One row per round, each with a fresh task process. `processes` ends what is left when this is interrupted."""
    wanted = count or (QUICK_RUNS if is_quick else RUNS)
    samples = []
    for number in range(1, rounds + 1):
        with task_process() as process:
            for _ in range(WARM_RUNS):
                process.perform()
            samples.append(_timed(process, wanted))
        say(f"overhead: round {number}/{rounds}: p50 {samples[-1]['p50_ms']:.3f} ms")
    return _section(samples, wanted)


@contextmanager
def task_process() -> Iterator[OneTaskProcess]:
    """A warm task process that has loaded the benchmark's tasks."""
    from taskgate.worker.settings import settings_from
    from taskgate.worker.spawning import spawn

    child = spawn(settings_from({"tasks": ["app"], "python_path": [str(PEERS / "taskgate")]}), None, nonce="bench")
    try:
        process = OneTaskProcess(child)
        loaded = process.hear(LOAD_S)
        if loaded.failure:
            raise Trouble(loaded.failure)
        yield process
    finally:
        child.process.kill()
        child.process.wait()
        child.close()


def _timed(process: OneTaskProcess, count: int) -> dict[str, float]:
    trips_ms, pid = [], process.child.process.pid
    cpu_before = cpu_s(pid)
    for _ in range(count):
        begun = time.perf_counter()
        done = process.perform()
        trips_ms.append((time.perf_counter() - begun) * 1e3)
        if not done.is_ok or msgspec.json.decode(done.body) != msgspec.json.decode(PAYLOAD):
            raise Trouble(f"a run did not give back what it got: {done}")
    return {
        "mean_ms": sum(trips_ms) / count,
        "p50_ms": median(trips_ms),
        "p99_ms": percentile(trips_ms, 0.99),
        "cpu_us": (cpu_s(pid) - cpu_before) / count * 1e6,
    }


def _section(samples: list[dict[str, float]], count: int) -> Section:
    rows = [
        [
            str(number),
            f"{count:,}",
            *(f"{sample[name]:.3f}" for name in ("mean_ms", "p50_ms", "p99_ms")),
            f"{sample['cpu_us']:.0f}",
        ]
        for number, sample in enumerate(samples, 1)
    ]
    values = [sample["p50_ms"] for sample in samples]
    scatter = f" (spread {spread(values)})" if len(values) > 1 else ""
    return Section(
        title="Task process: overhead of a warm run",
        heads=HEADS,
        rows=rows,
        goals=[
            Goal(
                title="task process, overhead per warm run",
                wanted=f"≤ {GOAL_MS} ms",
                measured=f"{median(values):.3f} ms{scatter}",
                is_met=median(values) <= GOAL_MS,
            )
        ],
        samples=samples,
    )
