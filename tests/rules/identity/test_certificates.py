"""Client certificates: exactly one SPIFFE id, of our domain, that a rule knows; nothing else names anybody."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509

from taskgate.errors import InvalidInput, Unauthenticated
from taskgate.identity.certificates import Certificates, read_rule
from taskgate.testing.authority import NOW, Authority

RULES = ("/site/{site}/worker/{worker} = worker worker", "/ops/deploy = service submit read")
AUTHORITY = Authority()
KNOWN = Certificates("mesh.example", RULES)
GOOD = "spiffe://mesh.example/site/acme/worker/gpu-1"


def test_a_worker_of_a_site() -> None:
    for certificate in (AUTHORITY.leaf([GOOD]).der, AUTHORITY.leaf([GOOD], common_name="root").pem):
        found = KNOWN.principal(certificate, now=NOW)
        assert (found.id, found.kind, found.site_id, found.worker_id) == (GOOD, "worker", "acme", "gpu-1")
        assert found.scopes == {"worker"}
        assert found.expires_at == NOW + 3600


def test_a_fixed_path_is_of_the_site_default() -> None:
    found = KNOWN.principal(AUTHORITY.leaf(["spiffe://mesh.example/ops/deploy"]).der, now=NOW)
    assert (found.kind, found.site_id, found.worker_id, found.scopes) == (
        "service", "default", "", frozenset({"submit", "read"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    "uris",
    [
        [],
        [GOOD, GOOD],
        [GOOD, "spiffe://mesh.example/ops/deploy"],
        [GOOD, "https://mesh.example/"],
        ["https://mesh.example/site/acme/worker/gpu-1"],
        ["spiffe://mesh.example.evil/site/acme/worker/gpu-1"],
        ["spiffe://evil/mesh.example/site/acme/worker/gpu-1"],
        ["spiffe://user@mesh.example/site/acme/worker/gpu-1"],
        ["spiffe://mesh.example:443/site/acme/worker/gpu-1"],
        ["SPIFFE://mesh.example/site/acme/worker/gpu-1"],
        ["spiffe://mesh.example"],
        ["spiffe://mesh.example/"],
        ["spiffe://mesh.example/site/acme/worker/gpu-1/"],
        ["spiffe://mesh.example/site//worker/gpu-1"],
        ["spiffe://mesh.example/site/../worker/gpu-1"],
        ["spiffe://mesh.example/site/%61cme/worker/gpu-1"],
        ["spiffe://mesh.example/site/acme/worker/gpu-1?x=1"],
        ["spiffe://mesh.example/site/acme/worker/gpu-1#x"],
        ["spiffe://mesh.example/site/acme/person/gpu-1"],
        ["spiffe://mesh.example/site/acme/worker/" + "a" * 129],
        ["spiffe://mesh.example/site/acme/worker/" + "a" * 2048],
    ],
)  # fmt: skip
def test_s36_what_names_nobody(uris: Sequence[str]) -> None:
    with pytest.raises(Unauthenticated):
        KNOWN.principal(AUTHORITY.leaf(uris, common_name=GOOD).der, now=NOW)


def test_other_names_do_not_count_and_the_common_name_never_does() -> None:
    dns = [x509.DNSName("mesh.example"), x509.RFC822Name("a@mesh.example")]
    assert KNOWN.principal(AUTHORITY.leaf([GOOD], others=dns).der, now=NOW).worker_id == "gpu-1"
    with pytest.raises(Unauthenticated):
        KNOWN.principal(AUTHORITY.leaf([], common_name=GOOD, others=dns).der, now=NOW)


@pytest.mark.parametrize("now", [NOW - 3601, NOW + 3600, NOW + 1e9])
def test_a_certificate_of_another_time(now: float) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        KNOWN.principal(AUTHORITY.leaf([GOOD]).der, now=now)
    assert refusal.value.code == "CERTIFICATE_EXPIRED"


@pytest.mark.parametrize("certificate", [b"", b"\x30\x82", b"-----BEGIN CERTIFICATE-----\nAAAA", b"A" * 40_000])
def test_what_is_no_certificate(certificate: bytes) -> None:
    with pytest.raises(Unauthenticated):
        KNOWN.principal(certificate, now=NOW)


def test_without_a_domain_nobody_is_named() -> None:
    assert not Certificates().is_on
    with pytest.raises(Unauthenticated):
        Certificates("", RULES).principal(AUTHORITY.leaf([GOOD]).der, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "", "worker", "site/{site} = worker worker", "/a = king worker", "/a = worker", "/a = worker fly",
        "/{who} = worker worker", "/{site}/{site} = worker worker", "/a/ = worker worker", "/a/../b = worker worker",
    ],
)  # fmt: skip
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_rule(text)


@pytest.mark.parametrize("domain", ["Mesh", "a/b", "a b", "a:1"])
def test_what_is_no_domain(domain: str) -> None:
    with pytest.raises(InvalidInput):
        Certificates(domain, RULES)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04"),  # a version that there is none
        (b"\x86%c%b" % (len(GOOD), GOOD.encode()), b"\xa5%c%b" % (len(GOOD), GOOD.encode())),  # an ediPartyName
    ],
)
def test_what_the_library_does_not_know_names_nobody(here: bytes, there: bytes) -> None:
    """It has errors of its own for these, which are no ValueError."""
    whole = AUTHORITY.leaf([GOOD]).der
    assert here in whole
    with pytest.raises(Unauthenticated):
        KNOWN.principal(whole.replace(here, there), now=NOW)
