"""S21: API keys under attack: guessed, oversized, in the wrong place, timed."""

from __future__ import annotations

import hmac
import statistics
import time

import pytest

from taskgate.identity import keys as keys_module
from taskgate.identity.keytext import new_key
from taskgate.testing.clock import ManualClock
from tests.edge.http.house import FREE, House, open_house

pytestmark = pytest.mark.security


async def test_guessing_is_slow_and_hurts_nobody_else() -> None:
    """5 failures a second and address; a good key behind the same address never notices."""
    clock = ManualClock()
    async with open_house(clock=clock) as house:
        good = await house.key("read")
        codes = [(await house.ask("GET", "/v1/runs", key=new_key()[2])).status for _ in range(1000)]
        assert codes == [401] * 5 + [429] * 995
        limited = await house.ask("GET", "/v1/runs", key=new_key()[2])
        assert (limited.code, limited.headers["retry-after"]) == ("RATE_LIMITED", "1")
        assert (await house.ask("GET", "/v1/runs", key=good)).status == 200
        house.address = "192.0.2.99"
        assert (await house.ask("GET", "/v1/runs", key=new_key()[2])).status == 401
        clock.advance(1.0)
        house.address = "192.0.2.10"
        again = [(await house.ask("GET", "/v1/runs", key=new_key()[2])).status for _ in range(10)]
        assert again.count(401) == 5


async def test_limited_guesses_cost_no_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    ring = house.gateway.stores.keyring
    find = ring.find

    async def counted(key_id: str) -> object:
        nonlocal reads
        reads += 1
        return await find(key_id)

    monkeypatch.setattr(ring, "find", counted)
    for _ in range(500):
        await house.ask("GET", "/v1/runs", key=new_key()[2])
    assert reads <= 15


@pytest.mark.parametrize("place", ["x-api-key", "authorization"])
async def test_ten_megabytes_of_key(house: House, place: str) -> None:
    """Refused before anything is hashed or looked up."""
    value = b"tg_" + b"A" * 10_000_000
    raw = [(place.encode(), b"Bearer " + value if place == "authorization" else value)]
    start = time.process_time()
    reply = await house.ask("GET", "/v1/runs", raw=raw)
    assert reply.status == 401
    assert time.process_time() - start < 1.0
    assert len(reply.body) < 1000


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "x", "after"])
async def test_a_key_in_the_query(house: House, name: str) -> None:
    """Refused although it is right, and although the header is right too."""
    key = await house.key("read")
    for header in ("", key):
        reply = await house.ask("GET", f"/v1/runs?{name}={key}", key=header)
        assert (reply.status, reply.code) == (400, "CREDENTIAL_IN_QUERY")
        assert key not in reply.body.decode()
    assert (await house.ask("GET", f"/health?{name}={key}")).status == 400


async def test_two_credentials(house: House) -> None:
    one, two = await house.key("read"), await house.key("admin")
    bearer = [("Authorization", f"Bearer {two}")]
    assert (await house.ask("GET", "/v1/runs", key=one, headers=bearer)).status == 401
    assert (await house.ask("GET", "/v1/runs", key=two, headers=bearer)).status == 200
    assert (await house.ask("GET", "/v1/runs", key="tg_wrong", headers=bearer)).status == 401
    assert (await house.ask("GET", "/v1/runs", key=one, raw=[(b"x-api-key", two.encode())])).status == 401


async def test_a_key_works_only_for_its_tenant(house: House) -> None:
    await house.define(FREE, site="globex")
    key = await house.key("submit", "read", site="globex")
    made = await house.ask("POST", "/v1/tasks/demo.free/runs", {"input": 1}, key=key)
    other = await house.key("submit", "read", site="acme")
    assert (await house.ask("GET", made.headers["location"], key=other)).status == 404


async def test_every_check_compares_in_constant_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known or not, wrong early or late: one comparison of 32 bytes each, by `hmac.compare_digest`."""
    compared: list[tuple[int, int]] = []

    def watched(one: bytes, two: bytes) -> bool:
        compared.append((len(one), len(two)))
        return hmac.compare_digest(one, two)

    watched_hmac = type("watched", (), {"compare_digest": staticmethod(watched)})
    monkeypatch.setattr(keys_module, "hmac", watched_hmac)
    key = await house.key("read")
    for number, text in enumerate((key, key[:16] + "A" * 43, key[:-1] + "_", new_key()[2])):
        house.address = f"198.51.100.{number}"
        await house.ask("GET", "/v1/runs", key=text)
    assert compared == [(32, 32)] * 4


async def test_timing_tells_nothing(house: House) -> None:
    """Wrong in the first or in the last character of the secret takes the same time: Welch's t on 20,000 samples."""
    key = await house.key("read")
    early = key[:16] + ("A" if key[16] != "A" else "B") + key[17:]
    late = key[:-1] + ("A" if key[-1] != "A" else "B")
    samples: dict[str, list[int]] = {early: [], late: []}
    authenticate = house.gateway.keys.authenticate
    for number in range(20_000):
        text = early if number % 2 else late
        start = time.perf_counter_ns()
        try:
            await authenticate(text)
        except Exception:
            samples[text].append(time.perf_counter_ns() - start)
    one, two = (sorted(times)[: len(times) * 8 // 10] for times in samples.values())
    spread = (statistics.variance(one) / len(one) + statistics.variance(two) / len(two)) ** 0.5
    difference_ns = abs(statistics.fmean(one) - statistics.fmean(two))
    assert difference_ns < max(4 * spread, 0.02 * statistics.fmean(one))
