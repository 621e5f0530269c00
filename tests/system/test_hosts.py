"""The page on several gateways, done as it says on hosts made of network namespaces, and what their links do to it.

Two gateways behind nginx over PostgreSQL and Redis, two workers over WebSocket and two over gRPC, one of them behind
NAT. Faults are losses in the packet filters of hosts: nothing is told, no connection is reset (F5 to F8).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskgate import Client
from taskgate.client.sync import Run
from tests.hosts.host import Way, connections
from tests.hosts.installation import DEAD_S, LEASE_S, TASKGATE, Gateway, Installation, until
from tests.hosts.need import need_hosts
from tests.servers.finding import install

PATIENCE_S = 60.0  # of a machine that stalls; what is measured has bounds of its own
DOORS = (":30090", ":50051")
SURVIVOR = "box-1"
SILENT: dict[str, tuple[Way, ...]] = {"box-2": ("in", "out"), "box-3": ("out",), "pc-4": ("in",)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Everything, started once: that is most of what a test would take."""
    need_hosts()
    install("nginx")
    made = Installation(tmp_path_factory.mktemp("hosts"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def client(site: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A caller on a host of its own, through nginx; every test begins with all workers, at both gateways."""
    monkeypatch.setenv("SSL_CERT_FILE", str(site.authority.path))
    with site.caller.inside(), Client(site.url, site.admin_key) as made:
        until(lambda: online_everywhere(site) == 4, PATIENCE_S, what="four workers")
        yield made
    for host in site.hosts:
        host.heal()


def straight(site: Installation, gateway: Gateway) -> Client:
    """A caller that passes nginx by."""
    return Client(f"http://{gateway.host.address}:30090", site.admin_key)


def online_everywhere(site: Installation) -> int:
    """How many workers every gateway calls online."""
    counts = []
    for gateway in site.gateways:
        with straight(site, gateway) as client:
            counts.append(sum(worker.status == "online" for worker in client.workers.all()))
    return min(counts)


def is_ready(site: Installation, gateway: Gateway) -> bool:
    asked = ["curl", "-s", "-o", "/dev/null", "-m", "3", "-w", "%{http_code}", "--retry", "0"]
    words = [*asked, f"http://{gateway.host.address}:30090/health/ready"]
    return site.caller.run(["sh", "-c", " ".join(words) + " || true"]) == "200"


def echoes(client: Client, values: range) -> list[str]:
    """Submit a run for each number from a few threads, whatever happens meanwhile, and read how they ended."""
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda number: client.submit("sys.echo", {"value": str(number)}), values))
    return [run.output() for run in client.wait_many(runs, PATIENCE_S)]


def sockets(site: Installation) -> Counter[str]:
    """Connections that the gateways' doors have with nginx, by port; each link of a worker is one."""
    lines = [line for gateway in site.gateways for line in connections(gateway.host, site.nginx.address)]
    return Counter(line.split()[2].rpartition(":")[2] for line in lines if line.split()[2].endswith(DOORS))


def held(client: Client, runs: list[Run]) -> dict[str, Run]:
    """The runs that are under way, by the worker that has them now."""
    states = [client.run(run.id) for run in runs]
    return {run.state.attempts[-1].holder: run for run in states if run.state.status == "running"}


def redone(client: Client, lost: list[Run], gates: dict[str, Path]) -> bool:
    """Let what the survivor has taken over go on; whether all of it has ended."""
    if taken := held(client, lost).get(SURVIVOR):
        gates[taken.id].touch()
    return all(client.run(run.id).is_ended for run in lost)


def test_f5_f6_hosts_that_fall_silent_are_noticed_and_their_runs_done_elsewhere(
    site: Installation, tmp_path: Path, client: Client
) -> None:
    """F5: both ways, over WebSocket. F6: only what the worker says, only what it hears; over gRPC, one behind NAT."""
    ledger = tmp_path / "ledger"
    with straight(site, site.gateways[0]) as direct:
        runs = [direct.submit("sys.gated", {"ledger": str(ledger), "gate": str(tmp_path / str(n))}) for n in range(4)]
        gates = {run.id: tmp_path / str(number) for number, run in enumerate(runs)}
        until(lambda: len(held(direct, runs)) == 4 and ledger.read_text().count("start") == 4, what="four starts")
        before = sockets(site)
        mine = held(direct, runs)[SURVIVOR]
        lost = [run for run in runs if run.id != mine.id]
        for host in site.homes[1:]:
            host.cut(ways=SILENT[host.name])
        began = time.monotonic()
        gates[mine.id].touch()
        until(lambda: redone(direct, lost, gates), PATIENCE_S, what="second attempts of three runs")
        took = time.monotonic() - began
        states = [direct.run(run.id).state for run in runs]
        until(lambda: online_everywhere(site) == 1, what="three that are missed")
        for host in site.homes:
            host.heal()
        until(lambda: online_everywhere(site) == 4, PATIENCE_S, what="four workers")
        until(lambda: sockets(site) <= before, what="as many connections as before")  # idle ones of callers may go
        assert sockets(site)["50051"] == 2
    assert [state.status for state in states] == ["succeeded"] * 4
    assert max(len(state.attempts) for state in states) == 2
    assert took < DEAD_S + LEASE_S + 20.0
    lines = [line.split() for line in ledger.read_text().splitlines()]
    assert sorted(run_id for run_id, _, _, word in lines if word == "end") == sorted(gates), "each was ended once"


def test_the_page_as_it_stands(site: Installation, client: Client) -> None:
    """Its last commands, on the caller's host; every transport; a journal that is live; the caller's own address."""
    workers = {worker.id: worker.transport for worker in client.workers.all()}
    assert workers == {"box-1": "websocket", "box-2": "websocket", "box-3": "grpc", "pc-4": "grpc"}
    call = site.page.commands("taskgate call")[0]
    assert site.caller.run([*TASKGATE, *call[1:]], env=site.calling()) == "through nginx\n"
    run = client.submit("sys.lines", {"count": 5})
    assert [entry.kind for entry in run.follow()].count("log") == 5
    client.keys.create("somebody", ["submit"])
    words = ["curl", "-s", "-H", f"X-API-Key: {site.admin_key}"]
    told = json.loads(site.caller.run([*words, "http://10.0.0.11:30090/gateway/audit?action=key.create"]))
    assert site.caller.address in {entry["actor"]["address"] for entry in told["entries"]}
    assert site.homes[-1].address.startswith("192.168.")
    assert connections(site.nginx, site.routers[-1].address), "the worker behind NAT comes from its router"
    assert echoes(client, range(20)) == [str(number) for number in range(20)]


def test_f1_one_gateway_dies_and_the_other_serves(site: Installation, client: Client) -> None:
    one = site.gateways[0]
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(echoes, client, range(40))
        one.end(signal.SIGKILL)
        assert answered.result(PATIENCE_S) == [str(number) for number in range(40)]
    assert client.call("sys.echo", {"value": "still"}) == "still"
    one.start()
    until(lambda: is_ready(site, one), what="the gateway that is back")


@pytest.mark.parametrize("far", ["db", "cache"])
def test_a_link_that_was_cut_heals_without_a_restart(site: Installation, client: Client, far: str) -> None:
    """A gateway that does not reach PostgreSQL says so and the other serves; one that misses Redis goes on."""
    one, other = site.gateways[0], getattr(site, far)
    one.host.cut(other.address)
    try:
        until(lambda: is_ready(site, one) is (far == "cache"), what="health")
        assert echoes(client, range(4)) == [str(number) for number in range(4)]
    finally:
        one.host.heal()
    took = until(lambda: is_ready(site, one), PATIENCE_S, what="health")
    with straight(site, one) as direct:
        assert direct.call("sys.echo", {"value": far}) == far
    assert took < 30.0


def clogged(site: Installation, client: Client, dice: random.Random) -> list[str]:
    """One round: a third of two workers' packets is lost, links go one by one and come back in another order."""
    one, two = (gateway.host for gateway in site.gateways)
    links = [(one, site.db), (two, site.cache), (site.nginx, one), (site.homes[1], site.nginx)]
    with ThreadPoolExecutor(1) as pool:
        try:
            for host in (site.homes[0], site.homes[2]):
                host.cut(percent=30)
            answered = pool.submit(echoes, client, range(40))
            for host, other in dice.sample(links, len(links)):
                host.cut(other.address)
                time.sleep(dice.uniform(0.1, 0.5))
            for host, _ in dice.sample(links, len(links)):
                host.heal()
                time.sleep(dice.uniform(0.1, 0.5))
        finally:
            for host in (one, two, site.nginx, *site.homes):
                host.heal()
        return answered.result(2 * PATIENCE_S)


def test_f7_f8_a_third_of_all_packets_and_links_that_come_and_go(site: Installation, client: Client) -> None:
    """Slow, not wrong: every run ends once, with its own value."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    assert clogged(site, client, random.Random(seed)) == [str(number) for number in range(40)]


@pytest.mark.soak
def test_f7_f8_a_hundred_rounds(site: Installation, client: Client) -> None:
    """TASKGATE_TEST_ROUNDS and TASKGATE_TEST_SEED play fewer, or the same ones again."""
    seed = int(os.environ.get("TASKGATE_TEST_SEED") or random.randrange(1 << 32))
    rounds = int(os.environ.get("TASKGATE_TEST_ROUNDS") or 100)
    took = []
    for number in range(rounds):
        began = time.monotonic()
        answers = clogged(site, client, random.Random(seed + number))
        assert answers == [str(value) for value in range(40)], f"round {number} of seed {seed}"
        took.append(time.monotonic() - began)
    print(f"\n{rounds} rounds of 40 runs, seed {seed}: {sum(took):.0f} s, longest {max(took):.1f} s")
    until(lambda: online_everywhere(site) == 4, PATIENCE_S, what="four workers")


def test_nothing_of_a_lab_outlives_it(tmp_path: Path) -> None:
    """Not even where its process is killed: what holds the hosts ends with it."""
    need_hosts()
    text = (  # the process of a test, which waits for a word that never comes
        "import pathlib, sys, time\nfrom tests.hosts.lab import Lab\n"
        "lab = Lab(pathlib.Path(sys.argv[1]))\nhost = lab.host('a.internal', 1)\nlog = lab.folder / 'log'\n"
        "host.start(['sh', '-c', 'echo runs; exec sleep 600'], log)\n"
        "while not log.read_bytes(): time.sleep(0.01)\n"  # from here on it is bound to its starter
        "print(host.network, flush=True)\ninput()\n"
    )
    words = [sys.executable, "-c", text, str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        network = process.stdout.readline().strip()
        assert network in networks()
        process.kill()
    until(lambda: network not in networks(), what="an end of the hosts")


def networks() -> set[str]:
    """The network namespaces that any process is in."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                found.add(os.readlink(place / "ns/net"))
            except OSError:
                continue
    return found
