"""The table of the proxies: a row per load, a column per proxy, and what taskgate has to reach beside nginx."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.proxies import Contestant
from benchmarks.proxy_loads import LOADS
from benchmarks.tables import Goal, Section, median, spread

Sample = dict[str, float]
Samples = dict[str, dict[str, list[Sample]]]
OURS, LIMIT, TUTORIAL = "taskgate", "nginx", "fastapi"
ROWS = {
    **{load.key: load.title for load in LOADS},
    "sse": "SSE, 64 streams, 100-byte messages",
    "ws": "WebSocket, 64 sockets, 100-byte messages",
    "paced": "SSE at 50 tokens/s: streams without a stall > 50 ms",
    "idle": "idle kept connections: KiB each",
}
SHARES = (
    ("get", 0.5, "then 60 %"), ("post", 0.5, "then 60 %"), ("get12", 0.4, "then 50 %"), ("post12", 0.4, "then 50 %"),
    ("post100k", 0.9, ""), ("down", 0.9, ""), ("up", 0.9, ""), ("tls", 0.5, ""), ("tlsdown", 0.85, ""),
)  # fmt: skip
MESSAGES = 60_000
P50 = 1.15
TIMES = 60
IDLE_KIB = 8.0
STREAMS = 500
LEGEND = (
    "rates are medians per second; behind the slash the CPU µs of the proxy's processes for one request or message;"
    " one connection: p50 and p99 in µs, end to end; paced: good streams of all, worst delay of a message"
)


def proxy_section(
    contestants: Sequence[Contestant], samples: Samples, skipped: dict[str, str], *, rounds: tuple[int, int]
) -> Section:
    measured = [contestant for contestant in contestants if contestant.key in samples]
    rows = [
        [title, *(_cell(row, samples[found.key].get(row, [])) for found in measured)] for row, title in ROWS.items()
    ]
    notes = [LEGEND, *_shares(samples), *_troubles(measured, samples)]
    if rounds[0] < rounds[1]:
        notes.append(f"{rounds[0]} of {rounds[1]} rounds: there was no time for more")
    titles = {contestant.key: contestant.title for contestant in contestants}
    notes += [f"left out: {titles[key]}: {reason}" for key, reason in skipped.items()]
    return Section(
        title=f"Proxy: one process each on a core, the same upstream (interleaved, rounds: {rounds[0]}, medians)",
        heads=["row", *(contestant.title for contestant in measured)],
        rows=rows,
        notes=notes,
        goals=proxy_goals(samples),
        samples=samples,
        is_whole=OURS not in skipped,
    )


def _cell(row: str, samples: list[Sample]) -> str:
    if not samples:
        return "–"

    def middle(name: str) -> float:
        return median([sample[name] for sample in samples])

    if row == "one":
        return f"{middle('p50_us'):,.0f} / {middle('p99_us'):,.0f} µs"
    if row == "idle":
        return f"{middle('kib_each'):.1f}, CPU {middle('cpu_share') * 100:.1f} %"
    if row == "paced":
        return f"{middle('smooth'):.0f} of {middle('wanted'):.0f}, {middle('worst_ms'):.0f} ms"
    return f"{middle('rate'):,.0f} / {middle('cpu_us'):,.0f}"


def _shares(samples: Samples) -> list[str]:
    """taskgate's rate as a share of nginx's, round by round, for every row."""
    ours, theirs = samples.get(OURS, {}), samples.get(LIMIT, {})
    told = []
    for row, title in ROWS.items():
        if row in ("one", "paced", "idle"):
            continue
        ratios = ratios_of(ours.get(row, []), theirs.get(row, []), "rate")
        if ratios:
            scatter = f" (spread {spread(ratios)})" if len(ratios) > 1 else ""
            told.append(f"{title}: {median(ratios):.0%} of nginx{scatter}")
    return told


def _troubles(contestants: Sequence[Contestant], samples: Samples) -> list[str]:
    """Rows in which something went wrong: their figures are no measurement."""
    found = []
    for contestant in contestants:
        for row, kept in samples[contestant.key].items():
            bad = sum(sample.get("errors", 0) + sample.get("wrong", 0) + sample.get("lost", 0) for sample in kept)
            if bad:
                found.append(f"NOT WELL: {contestant.title}, {ROWS[row]}: {bad:,.0f} errors")
    return found


def ratios_of(ours: Sequence[Sample], theirs: Sequence[Sample], name: str) -> list[float]:
    """Round by round; rounds that one of them does not have are left out."""
    return [mine[name] / other[name] for mine, other in zip(ours, theirs, strict=False) if other[name]]


def proxy_goals(samples: Samples) -> list[Goal]:
    """TARGETS: everything beside nginx in the same rounds, but for what has a number of its own."""
    ours, limit = samples.get(OURS), samples.get(LIMIT, {})
    if not ours:
        return []
    goals = [_share(row, wanted, more, ours=ours, limit=limit) for row, wanted, more in SHARES]
    slower = ratios_of(ours.get("one", []), limit.get("one", []), "p50_us")
    goals.append(
        _goal("proxy: p50 at 1 connection", f"≤ {P50} × nginx", slower, form="{:.2f} ×", is_least=False, at=P50)
    )
    faster = ratios_of(ours.get("get", []), samples.get(TUTORIAL, {}).get("get", []), "rate")
    goals.append(_goal("proxy: GET, beside FastAPI + httpx", f"≥ {TIMES} ×", faster, form="{:.0f} ×", at=TIMES))
    for row, name in (("sse", "SSE"), ("ws", "WebSocket")):
        rates = [sample["rate"] for sample in ours.get(row, [])]
        goals.append(_goal(f"proxy: {name} messages", f"≥ {MESSAGES:,}/s", rates, form="{:,.0f}/s", at=MESSAGES))
    smooth = [sample["smooth"] for sample in ours.get("paced", [])]
    goals.append(_goal("proxy: paced streams without a stall", f"≥ {STREAMS}", smooth, form="{:.0f}", at=STREAMS))
    each = [sample["kib_each"] for sample in ours.get("idle", [])]
    goals.append(
        _goal(
            "proxy: idle kept connection", f"≤ {IDLE_KIB:.0f} KiB", each, form="{:.1f} KiB", is_least=False, at=IDLE_KIB
        )
    )
    return goals


def _share(
    row: str, wanted: float, more: str, *, ours: dict[str, list[Sample]], limit: dict[str, list[Sample]]
) -> Goal:
    ratios = ratios_of(ours.get(row, []), limit.get(row, []), "rate")
    told = f"≥ {wanted:.0%} of nginx" + (f", {more}" if more else "")
    return _goal(f"proxy: {ROWS[row]}", told, ratios, form="{:.0%}", at=wanted)


def _goal(title: str, wanted: str, values: Sequence[float], *, form: str, at: float, is_least: bool = True) -> Goal:
    if not values:
        return Goal(title=title, wanted=wanted, measured="–", is_met=None)
    middle = median(values)
    scatter = f" (spread {spread(values)})" if len(values) > 1 else ""
    return Goal(
        title=title,
        wanted=wanted,
        measured=form.format(middle) + scatter,
        is_met=middle >= at if is_least else middle <= at,
    )
