"""Which addresses may be reached: what is public, what was opened, what never may."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgate.reach.judging import NEVER, Rules, read_ip, read_opening, rules_from

CLOSED = rules_from(["auto"], is_local=False)
LOCAL = rules_from(["auto"], is_local=True, own_ports=[30090])
WIDE = rules_from(["0.0.0.0/0", "::/0"], is_local=True)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
WRAPPED = ["::ffff:0:0", "64:ff9b::", "2002::", "::"]


def reaches(rules: Rules, text: str, port: int = 443, **changes: object) -> bool:
    """Whether an upstream may be there, over https unless said otherwise."""
    asked = {"scheme": "https", "host": "a.example", "is_here": False, **changes}
    return rules.refusal(ip_address(text), port, **asked) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::", "::a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200",
        "192.0.0.192", "192.0.0.1", "168.63.129.16", "0.0.0.0", "0.0.0.1", "::", "fe80::1", "fe80::1%1", "fec0::1",
        "224.0.0.1", "239.1.1.1", "ff02::1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
    ],
)  # fmt: skip
def test_some_never_may_whatever_was_opened(text: str) -> None:
    for rules in (CLOSED, LOCAL, WIDE):
        for port in (80, 443, 8000):
            assert not reaches(rules, text, port)


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fc00::1", "198.18.0.1",
     "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1", "5f00::1", "4000::1"],
)  # fmt: skip
def test_internal_addresses_need_an_opening(text: str) -> None:
    assert not reaches(CLOSED, text)
    assert reaches(WIDE, text)


def test_auto_is_this_machine_while_only_this_machine_may_call() -> None:
    for text in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"):
        assert reaches(LOCAL, text, 8082, scheme="http")
        assert not reaches(CLOSED, text, 8082)
    assert not reaches(LOCAL, "10.0.0.1", 8082)


def test_the_gateway_does_not_call_itself() -> None:
    for rules in (LOCAL, rules_from(["127.0.0.0/8:30090"], is_local=True, own_ports=[30090])):
        assert not reaches(rules, "127.0.0.1", 30090, is_here=True)
    assert reaches(rules_from(["10.0.0.0/8"], is_local=False, own_ports=[30090]), "10.0.0.7", 30090)
    assert not reaches(rules_from([], is_local=False, own_ports=[443]), "8.8.8.8", 443, is_here=True)


@pytest.mark.parametrize("port", [22, 25, 2375, 3306, 5432, 6379, 9092, 27017])
def test_other_trades_have_to_be_named(port: int) -> None:
    assert not reaches(LOCAL, "127.0.0.1", port)
    assert not reaches(WIDE, "10.0.0.1", port)
    assert not reaches(CLOSED, "8.8.8.8", port)
    assert reaches(rules_from([f"10.0.0.1/32:{port}"], is_local=False), "10.0.0.1", port)


def test_public_addresses_over_https_on_the_usual_ports() -> None:
    rules = rules_from([], ports=[8443], http_hosts=["Plain.Example."], is_local=False)
    assert [reaches(rules, "8.8.8.8", port) for port in (80, 443, 8443, 8444, 22)] == [True, True, True, False, False]
    assert not reaches(rules, "8.8.8.8", 80, scheme="http")
    assert reaches(rules, "8.8.8.8", 80, scheme="http", host="plain.example")
    assert not reaches(rules, "10.0.0.1", 80, scheme="http", host="plain.example")
    assert reaches(rules, "2606:4700::1111")


@given(address=ADDRESSES, port=st.integers(1, 65535))
def test_without_an_opening_only_global_addresses_are_reached(address: IPv4Address | IPv6Address, port: int) -> None:
    if reaches(CLOSED, str(address), port):
        assert address.is_global
        assert port in (80, 443)
        assert not any(address in network for network in NEVER if network.version == address.version)


@given(address=st.ip_addresses(v=4), prefix=st.sampled_from(WRAPPED), port=st.sampled_from([80, 443, 8000]))
def test_a_wrapped_address_reaches_no_more_than_the_plain_one(address: IPv4Address, prefix: str, port: int) -> None:
    high = int(IPv6Address(prefix))
    number = high | int(address) << 80 if prefix == "2002::" else high | int(address)
    wrapped = str(IPv6Address(number))
    for rules in (CLOSED, LOCAL):
        if reaches(rules, wrapped, port) and wrapped != "::1":
            assert reaches(rules, str(address), port)


@pytest.mark.parametrize(
    ("text", "network", "low", "high"),
    [
        ("10.1.0.0/16:8000-8999", "10.1.0.0/16", 8000, 8999),
        ("10.0.0.5/32:8000", "10.0.0.5/32", 8000, 8000),
        ("fd12::/64:1-65535", "fd12::/64", 1, 65535),
        ("::1/128", "::1/128", 1, 65535),
        ("0.0.0.0/0", "0.0.0.0/0", 1, 65535),
    ],
)
def test_openings_as_written(text: str, network: str, low: int, high: int) -> None:
    opening = read_opening(text)
    assert (opening.network, opening.ports[0], opening.ports[-1]) == (ip_network(network), low, high)
    assert opening.is_narrow is (":" in text.partition("/")[2])


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:9-8", "10.0.0.0/8:1-65536",
     "10.0.0.0/8:x", "10.0.0.0/8:٨", "localhost/8", "169.254.0.0/16", "169.254.169.254/32", "fe80::/64", "224.0.0.0/8",
     "0.0.0.0/32", "64:ff9b::/96", "[::1]/128", "10.0.0.0/8:80-", "10.0.0.0/8:80:81"],
)  # fmt: skip
def test_openings_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|cannot be opened|ports"):
        read_opening(text)


def test_only_one_form_of_an_address_is_read() -> None:
    assert str(read_ip("::ffff:127.0.0.1")) == "127.0.0.1"
    for text in (
        "127.1",
        "0",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "①②⑦.0.0.1",
        "localhost",
        "127.0.0.01",
    ):
        assert read_ip(text) is None
