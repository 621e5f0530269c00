"""Runs end while the archive dies, stands still, and the gateway is killed: nothing is lost, and history catches up.

The oracle is what the caller was told. INV-T1 for history: every run that ended is in the archive, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner, Result

from taskgate.cli.root import root
from tests.servers.mariadb import MariaDb
from tests.system.cluster import Caller, GatewayProcess, SimpleWorker

pytestmark = pytest.mark.system

RUNS = 6
CATCH_UP_S = 60.0
SOON_S = 5.0  # a submit, whatever the archive does


@pytest.fixture
def mariadb_of_its_own(tmp_path: Path) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path / "mariadb")
    server.start()
    yield server
    server.stop()


@contextlib.asynccontextmanager
async def working(gateway: GatewayProcess) -> AsyncIterator[Caller]:
    """A worker and a caller."""
    task = asyncio.create_task(SimpleWorker(gateway, "echo-1").run())
    async with aiohttp.ClientSession() as session:
        try:
            yield Caller(gateway, session)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def command(gateway: GatewayProcess, *arguments: str) -> Result:
    """`taskgate …` against this gateway, in this process."""
    return CliRunner().invoke(root, [*arguments, "--data-dir", str(gateway.folder)], prog_name="taskgate")


def archived(gateway: GatewayProcess, file: Path) -> list[dict[str, Any]]:
    """Every line of an export that is made now."""
    file.unlink(missing_ok=True)
    if command(gateway, "history", "export", str(file), "--json").exit_code:
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


async def until_archived(gateway: GatewayProcess, run_ids: list[str], file: Path) -> list[dict[str, Any]]:
    deadline = time.monotonic() + CATCH_UP_S
    while time.monotonic() < deadline:
        lines = await asyncio.to_thread(archived, gateway, file)
        if {line["id"] for line in lines} >= set(run_ids):
            return lines
        await asyncio.sleep(0.5)
    raise AssertionError(f"history did not catch up: {gateway.log()[-2000:]}")


async def test_f_archive_killed_and_frozen_while_runs_end(mariadb_of_its_own: MariaDb, tmp_path: Path) -> None:
    mariadb = mariadb_of_its_own
    settings = {"TASKGATE_ARCHIVE__URL": mariadb.new_database(), "TASKGATE_ARCHIVE__DELAY_S": "0"}
    gateway = GatewayProcess(tmp_path / "data", settings=settings)
    gateway.start()
    try:
        async with working(gateway) as caller:

            async def some(name: str) -> list[str]:
                ids = [await caller.submit("echo", f"{name}-{number}", {"n": number}) for number in range(RUNS)]
                for run_id in ids:
                    await caller.until_ended(run_id)
                return ids

            ids = await some("while-it-is-there")
            mariadb.kill()
            ids += await some("while-it-is-dead")
            gateway.kill()  # between their ends and the archive
            mariadb.start()
            gateway.start()
            mariadb.signal(signal.SIGSTOP)
            began = time.monotonic()
            ids.append(await caller.submit("echo", "frozen", 1))
            assert time.monotonic() - began < SOON_S, "a submit waited for the archive"
            ids += await some("while-it-stands-still")
            mariadb.signal(signal.SIGCONT)
            lines = await until_archived(gateway, ids, tmp_path / "history.ndjson")
            for line in lines:
                live = await caller.run(line["id"])
                assert {**live, "cursor": line["cursor"]} == line
    finally:
        gateway.kill()
    assert sorted(line["id"] for line in lines) == sorted(ids), "a run is in history twice, or a stranger is"
    assert mariadb.query("SELECT count(*) FROM test_1.archived_runs") == str(len(ids))


async def test_an_export_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "data", settings={"TASKGATE_ARCHIVE__DELAY_S": "0"})
    gateway.start()
    file = tmp_path / "history.ndjson"
    try:
        async with working(gateway) as caller:
            ids = [await caller.submit("echo", f"key-{number}", number) for number in range(RUNS)]
            for run_id in ids:
                await caller.until_ended(run_id)
            await until_archived(gateway, ids, file)
            whole = file.read_bytes()
            cut = b"".join(whole.splitlines(keepends=True)[:5]) + b'{"id":"half a li'
            file.write_bytes(cut)
            done = await asyncio.to_thread(command, gateway, "history", "export", str(file))
            assert done.exit_code == 0, done.stderr
            assert file.read_bytes() == whole
            listed = await asyncio.to_thread(command, gateway, "history", "ls", "--task", "echo", "--json")
            assert [run["id"] for run in json.loads(listed.stdout)] == [
                json.loads(line)["id"] for line in whole.splitlines()
            ]
    finally:
        gateway.kill()


async def test_the_audit_log_outlives_a_kill_and_shows_what_was_changed(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "data")
    gateway.start()
    try:
        assert command(gateway, "keys", "create", "one", "--scope", "read").exit_code == 0
        gateway.kill()
        gateway.start()
        first = await asyncio.to_thread(command, gateway, "audit", "verify", "--json")
        assert (first.exit_code, json.loads(first.stdout)["whole"]) == (0, True), first.stdout
        told = json.loads((await asyncio.to_thread(command, gateway, "audit", "ls", "--json")).stdout)
        actions = [(one["action"], one["outcome"]) for one in reversed(told)]
        start, key = ("gateway.start", "noted"), ("key.create", "noted")
        assert actions == [start, key, key, ("key.create", "begun"), ("key.create", "done"), start]
        file = tmp_path / "audit.ndjson"
        assert command(gateway, "audit", "export", str(file)).exit_code == 0
        assert command(gateway, "audit", "verify", "--file", str(file)).exit_code == 0
        file.write_bytes(file.read_bytes().replace(b'"name":"one"', b'"name":"two"'))
        forged = command(gateway, "audit", "verify", "--file", str(file))
        assert forged.exit_code == 1
        assert "was changed" in forged.stdout
        head = json.loads(first.stdout)["head"]
        assert command(gateway, "audit", "verify", "--expect", head).exit_code == 0
        other = f"{head.partition(':')[0]}:{'0' * 64}"
        assert command(gateway, "audit", "verify", "--expect", other).exit_code == 1
    finally:
        gateway.kill()
