"""Pairs that cannot serve never become values, renewals are taken whole or not at all (F34), the end is told (F28)."""

from __future__ import annotations

import logging
import ssl
import time
from datetime import timedelta
from pathlib import Path

import pytest

from taskgate.errors import InvalidInput
from taskgate.testing.clock import ManualClock
from taskgate.tls.pairs import DAY_S, Files, crossed, read_pair
from taskgate.tls.watching import Certificates
from tests.servers.authority import Authority, Issued


def files_of(issued: Issued) -> Files:
    return Files(section="grpc", cert_path=str(issued.cert_path), key_path=str(issued.key_path))


def test_the_days_before_an_end_are_told_once_each() -> None:
    told: int | None = None
    said: list[tuple[float, int]] = []
    for left in (40.0, 29.0, 20.0, 7.0, 6.0, 0.5, -0.1, -5.0):
        days = crossed(1e6, 1e6 - left * DAY_S, told=told)
        if days is not None:
            told = days
            said.append((left, days))
    assert said == [(29.0, 30), (7.0, 7), (0.5, 1), (-0.1, 0)]


def test_a_pair_is_read_with_its_end(tmp_path: Path) -> None:
    issued = Authority(tmp_path).issue("gate", good_for=timedelta(days=5))
    pair = read_pair(files_of(issued))
    assert (pair.chain, pair.key, pair.roots) == (issued.cert, issued.key, b"")


@pytest.mark.parametrize("spoil", ["half", "empty", "other key", "away", "garbage", "version"])
def test_f34_a_renewal_that_does_not_fit_together_changes_nothing(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    first, second = authority.issue("gate"), authority.issue("next")
    watched = Certificates(files_of(first), ManualClock(now=time.time()))
    before = watched.pair
    if spoil == "away":
        first.cert_path.unlink()
    elif spoil == "other key":
        first.key_path.write_bytes(second.key)
    else:
        half = second.cert[: len(second.cert) // 2]
        odd = ssl.PEM_cert_to_DER_cert(second.cert.decode()).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x04")
        told = {"half": half, "empty": b"", "garbage": b"\x00" * 100, "version": ssl.DER_cert_to_PEM_cert(odd).encode()}
        first.cert_path.write_bytes(told[spoil])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert not watched.look()
    assert (watched.pair, watched.generation) == (before, 1)
    assert len(caplog.records) == 1
    second.install(first.cert_path, first.key_path)
    assert watched.look()
    assert (watched.pair.chain, watched.generation) == (second.cert, 2)


def test_f28_an_end_that_is_near_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    issued = Authority(tmp_path).issue("gate", good_for=timedelta(days=6))
    watched = Certificates(files_of(issued), ManualClock(now=time.time()))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watched.warn()
    assert ["less than 7 days" in record.getMessage() for record in caplog.records] == [True]


def test_authorities_without_a_certificate_are_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with pytest.raises(InvalidInput, match=r"grpc\.tls_cert_path: must be named where grpc\.tls_ca_path is"):
        read_pair(Files(section="grpc", cert_path="", ca_path=str(authority.path)))
    issued = authority.issue("gate")
    text = tmp_path / "text.pem"
    text.write_text("nobody")
    with pytest.raises(InvalidInput, match="cannot be used"):
        read_pair(
            Files(section="http", cert_path=str(issued.cert_path), key_path=str(issued.key_path), ca_path=str(text))
        )


def test_f34_authorities_that_are_being_written_change_nothing(tmp_path: Path) -> None:
    """A file that was just emptied names nobody; it does not mean that clients need no certificate any more (S18)."""
    authority = Authority(tmp_path)
    issued = authority.issue("gate")
    files = Files(
        section="http", cert_path=str(issued.cert_path), key_path=str(issued.key_path), ca_path=str(authority.path)
    )
    watched = Certificates(files, ManualClock(now=time.time()))
    authority.path.write_bytes(b"")
    assert not watched.look()
    assert watched.pair.roots == authority.cert
    with pytest.raises(InvalidInput, match=r"http\.tls_ca_path: .* is empty"):
        read_pair(files)
