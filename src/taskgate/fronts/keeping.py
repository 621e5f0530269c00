"""The processes of the fronts: started with the gateway, started again when they die, ended before it.

A front gets its settings on standard input and nothing on its command line. The kernel ends a front whose gateway has
died (PR_SET_PDEATHSIG), so that the next gateway never shares its port with the last one's fronts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Sequence

from taskgate.lifespan import TaskSet

_log = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "taskgate.fronts")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
STEADY_S = 30.0


class FrontKeeper:
    """A part of the gateway: keeps `count` fronts alive. `begin` is what each reads from its standard input."""

    def __init__(self, count: int, begin: bytes, *, end_s: float, command: Sequence[str] = COMMAND) -> None:
        self.tasks = TaskSet()
        self._count = count
        self._begin = begin
        self._end_s = end_s
        self._command = command
        self._processes: set[asyncio.subprocess.Process] = set()
        self._ending = asyncio.Event()

    async def start(self) -> None:
        """Start them; returns before they are ready."""
        for number in range(self._count):
            self.tasks.spawn(self._keep(number), name=f"front {number + 1}")

    async def stop(self) -> None:
        """Ask every front to end, wait for what is in flight, and end what remains."""
        self._ending.set()
        for process in tuple(self._processes):
            _signal(process.terminate)
        waiting = [asyncio.ensure_future(process.wait()) for process in self._processes]
        if waiting:
            await asyncio.wait(waiting, timeout=self._end_s)
        for process in tuple(self._processes):
            _signal(process.kill)
        await self.tasks.close()

    async def _keep(self, number: int) -> None:
        pause_s = FIRST_PAUSE_S
        clock = asyncio.get_running_loop().time
        while not self._ending.is_set():
            began = clock()
            code: int | OSError
            try:
                code = await self._live()
            except OSError as error:  # no process can be had at this moment
                code = error
            if self._ending.is_set():
                return
            pause_s = FIRST_PAUSE_S if clock() - began > STEADY_S else min(pause_s * 2, LONGEST_PAUSE_S)
            _log.error("front %d ended with %s; started again in %.1f s", number + 1, code, pause_s)
            await asyncio.sleep(pause_s)

    async def _live(self) -> int:
        """The life of one process; its exit code."""
        process = await asyncio.create_subprocess_exec(*self._command, stdin=asyncio.subprocess.PIPE)
        self._processes.add(process)
        try:
            assert process.stdin is not None
            process.stdin.write(self._begin)
            process.stdin.close()
            return await process.wait()
        except BaseException:
            _signal(process.kill)
            raise
        finally:
            self._processes.discard(process)


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send()
