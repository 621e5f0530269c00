"""S10: addresses that a service may give as its own, to make the gateway call what the service could not.

Each is read, resolved and judged as a registration and a connect do it: numeric spellings by the machine's own
resolver, names by a stub that says where they lead. Nothing of this may pass, on a gateway that listens to the world
and on one that listens on loopback, whose own machine is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_address

import pytest

from taskgate import ground
from taskgate.config import load
from taskgate.errors import Forbidden, InvalidInput, TaskgateError, Unavailable
from taskgate.outbound.documents import WebDocuments
from taskgate.reach.addresses import read_base_url
from taskgate.reach.judging import rules_from
from taskgate.reach.pinning import Reach, resolve
from taskgate.testing.clock import ManualClock

pytestmark = pytest.mark.security

OWN_PORT = 30090
LEADS = {
    "localhost": ("127.0.0.1", "::1"),
    "metadata.google.internal": ("169.254.169.254",),
    "metadata.attacker.example": ("169.254.169.254",),
    "mixed.attacker.example": ("203.0.114.7", "127.0.0.1"),
    "nat64.attacker.example": ("64:ff9b::a9fe:a9fe",),
    "public.example": ("203.0.114.7",),
    "127.0.0.1.nip.example": ("127.0.0.1",),
    "cache.internal": ("10.7.0.2",),
    "alias.internal": ("10.7.0.2",),
}

# What reaches a metadata service, nothing at all, or speaks another protocol: never, whoever listens where.
NEVER = [
    "http://169.254.169.254/", "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/",
    "http://2852039166/", "http://0xA9FEA9FE/", "http://0xa9fea9fe:80/", "http://0251.0376.0251.0376/",
    "http://025177524776/", "http://169.254.43518/", "http://169.16689662/", "http://0xa9.0xfe.0xa9.0xfe/",
    "http://[::ffff:169.254.169.254]/", "http://[::ffff:a9fe:a9fe]/", "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/",
    "http://[2001:0:1234::a9fe:a9fe]/", "http://[::169.254.169.254]/", "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/", "http://[fe80::1]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[::]/",
    "http://100.100.100.200/", "http://192.0.0.192/", "http://168.63.129.16/", "http://0/", "http://0.0.0.0/",
    "http://00/", "http://0x0/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/",
    "http://metadata.google.internal/", "http://metadata.google.internal./", "https://metadata.attacker.example/",
    "https://nat64.attacker.example/", "https://mixed.attacker.example:6379/",
    f"http://127.0.0.1:{OWN_PORT}/", f"http://[::1]:{OWN_PORT}/", f"http://localhost:{OWN_PORT}/v1/keys",
    f"http://127.1:{OWN_PORT}/", f"http://2130706433:{OWN_PORT}/", f"http://[::ffff:127.0.0.1]:{OWN_PORT}/",
    "http://127.0.0.1:6379/", "http://127.0.0.1:5432/", "http://127.0.0.1:22/", "http://[::1]:2375/",
    "https://public.example:6379/", "https://public.example:5432/", "https://public.example:22/",
    "https://public.example:8443/", "http://public.example/", "http://public.example:443/",
    "http://①②⑦.0.0.1/", "http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "http://169。254。169。254/", "http://loc\u00adalhost/",
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "unix:/var/run/docker.sock", "http+unix://%2Fx/", "ftp://a/",
    "dict://127.0.0.1:11211/", "jar:http://a!/", "data:,x", "javascript:1", "//169.254.169.254/",
    "http:169.254.169.254",
    "http://u@h#@x/", "http://public.example@169.254.169.254/", "http://public.example#@169.254.169.254/",
    "http://169.254.169.254#.public.example/", "http://public.example\\@169.254.169.254/", "http://a:80:80/",
    "http://public.example%00.a/", "http://public.example\r\nHost: x/", "http://[::1]x/", "http://[::1%25lo]/",
    "http://169.254.169.254.:80/",
]  # fmt: skip

# This machine: open only while nobody but this machine may call the gateway.
LOCAL = [
    "http://127.0.0.1:8082/", "http://127.1:8082/", "http://127.0.1:8082/", "http://2130706433:8082/",
    "http://0x7f000001:8082/", "http://0177.0.0.1:8082/", "http://017700000001:8082/", "http://localhost:8082/",
    "http://localhost.:8082/", "http://LOCALHOST:8082/", "http://[::1]:8082/", "http://[::ffff:127.0.0.1]:8082/",
    "http://[0:0:0:0:0:0:0:1]:8082/", "http://127.127.127.127:8082/", "http://127.0.0.1.nip.example:8082/",
]  # fmt: skip
INTERNAL = [
    "http://10.0.0.1/", "http://192.168.1.1/", "http://172.16.0.1/", "http://100.64.0.1/", "http://198.18.0.1/",
    "http://[fc00::1]/", "http://[fd12::1]/", "https://10.0.0.1/", "http://167772161/", "http://0xc0.0xa8.1.1/",
]  # fmt: skip


async def leading(name: str) -> tuple[str, ...]:
    """Names by the stub; numbers in any spelling by the machine's own resolver, which knows them all."""
    if name.rstrip(".") in LEADS:
        return LEADS[name.rstrip(".")]
    return tuple(await resolve(name))


def reach_of(*networks: str, is_local: bool) -> Reach:
    rules = rules_from(networks, is_local=is_local, own_ports=[OWN_PORT])
    return Reach(rules, clock=ManualClock(), resolve=leading)


@pytest.fixture(params=["loopback", "public"])
async def reach(request: pytest.FixtureRequest) -> AsyncIterator[Reach]:
    made = reach_of("auto", is_local=request.param == "loopback")
    yield made
    await made.stop()


async def reached(reach: Reach, url: str) -> tuple[str, ...]:
    """Where a service with this base URL would be called."""
    address = read_base_url(url)
    return await reach.pin(address.host, address.port, scheme=address.scheme, site_id="acme")


@pytest.mark.parametrize("url", NEVER)
async def test_never(reach: Reach, url: str) -> None:
    with pytest.raises((InvalidInput, Forbidden, Unavailable)) as caught:
        await reached(reach, url)
    assert caught.value.code in ("BAD_ADDRESS", "ADDRESS_FORBIDDEN", "NAME_NOT_RESOLVED")


@pytest.mark.parametrize("url", NEVER)
async def test_never_for_a_document(reach: Reach, url: str) -> None:
    """The same through the fetcher of documents, which would connect."""
    with pytest.raises(TaskgateError) as caught:
        await WebDocuments(reach, deadline_s=2.0).fetch(url, site_id="acme")
    assert caught.value.code in ("BAD_ADDRESS", "ADDRESS_FORBIDDEN", "NAME_NOT_RESOLVED")


@pytest.mark.parametrize("url", NEVER)
async def test_never_whatever_was_opened(url: str) -> None:
    """Even an operator who opened the whole internet opened neither metadata nor the gateway itself."""
    reach = reach_of("0.0.0.0/0", "::/0", is_local=True)
    with suppress(InvalidInput, Forbidden, Unavailable):
        found = await reached(reach, url)
        assert all(ip_address(text).is_global for text in found)
        assert read_base_url(url).port not in (22, 5432, 6379, OWN_PORT)
    await reach.stop()


@pytest.mark.parametrize("url", [*LOCAL, *INTERNAL])
async def test_internal_addresses_are_shut_to_a_gateway_that_listens_to_the_world(url: str) -> None:
    reach = reach_of("auto", is_local=False)
    with pytest.raises(Forbidden):
        await reached(reach, url)
    await reach.stop()


@pytest.mark.parametrize("url", LOCAL)
async def test_this_machine_is_open_to_a_gateway_on_loopback(url: str) -> None:
    """However it is spelt, it is the judged address that is connected to."""
    reach = reach_of("auto", is_local=True)
    assert {ip_address(text).is_loopback for text in await reached(reach, url)} == {True}
    await reach.stop()


async def test_one_bad_address_of_several_is_enough(reach: Reach) -> None:
    shut = reach_of(is_local=False)
    with pytest.raises(Forbidden):
        await reached(shut, "https://mixed.attacker.example/")
    await shut.stop()
    assert await reached(reach, "https://public.example/") == ("203.0.114.7",)


async def test_an_operators_network_is_open_on_its_ports_alone() -> None:
    reach = reach_of("10.1.0.0/16:8000-8999", is_local=False)
    assert await reached(reach, "http://10.1.2.3:8080/") == ("10.1.2.3",)
    for url in ("http://10.1.2.3:9000/", "http://10.2.0.1:8080/", "http://10.1.2.3/", "http://127.0.0.1:8080/"):
        with pytest.raises(Forbidden):
            await reached(reach, url)
    await reach.stop()


STORES = {
    "DATABASE_URL": "postgresql://taskgate:secret@127.0.0.1:30543/taskgate",
    "TASKGATE_REDIS__URL": "redis://:secret@cache.internal:30637/0",
    "TASKGATE_ARCHIVE__URL": "mysql://taskgate:secret@10.7.0.3:30330/history",
}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:30543/", "http://[::1]:30543/", "http://localhost:30543/", "http://127.0.0.2:30543/",
        "http://2130706433:30543/", "http://[::ffff:127.0.0.1]:30543/", "http://cache.internal:30637/",
        "http://10.7.0.2:30637/", "http://alias.internal:30637/", "http://10.7.0.3:30330/",
    ],
)  # fmt: skip
async def test_the_stores_of_the_settings_are_nobodys_upstream(url: str) -> None:
    """On ports that an operator's networks open to everybody else, as they are beside the stores."""
    settings = load({"reach.networks": ["auto", "10.7.0.0/16:30000-31000"], "grpc.enabled": False}, env=STORES)
    made = ground.reach_of(settings, ManualClock(), resolve=leading)
    try:
        with pytest.raises(Forbidden):
            await reached(made, url)
        assert await reached(made, f"{url.rpartition(':')[0]}:30001/")
    finally:
        await made.stop()
