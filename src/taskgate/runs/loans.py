"""What gateways say to each other about loans: credit of a worker at one that another may give a run to.

    borrower ── Wanted ──▶ all          "runs of this queue come in here, and nobody here takes them"
    lender ──── Lent ────▶ borrower     so many offers, each to one worker, reserved until the loan ends
    borrower ── Given ───▶ lender       the run whose first lease names that worker; told after its commit
    borrower ── Returned ▶ lender       these are not needed
    lender ──── Recall ──▶ all          "I need what I lent of this queue"

Every message is sealed with the secret that all gateways share, so nobody else who reaches the server in between can
hand work to a worker. A lease's token is made from the loan's name and that secret on both sides, and never sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

import msgspec

from taskgate.runs.run import Run
from taskgate.runs.task import QueueKey

TOPIC = "loans"
LOAN_S = 2.0  # how long a wish stands, and with it every loan under it
GRACE_S = 2.0  # a lender keeps a loan for so much longer: the commit of the last run may be under way
WINDOW = 64  # loans of one queue that one borrower has at a time
MAX_INPUT_BYTES = 16 << 10  # larger ones go the long way, not through everybody's news
_SEAL_BYTES = 16


class Wanted(msgspec.Struct, frozen=True, tag="wanted"):
    """This gateway has runs of that queue and site, and nobody to give them to."""

    gateway: str
    site_id: str
    queue: QueueKey


class Lent(msgspec.Struct, frozen=True, tag="lent"):
    """Loans for that queue and site, as (name of the loan, worker)."""

    gateway: str
    site_id: str
    queue: QueueKey
    loans: list[tuple[str, str]]


class Given(msgspec.Struct, frozen=True, tag="given"):
    """Runs under lease, each with the loan that it was given under; their tokens are left out."""

    runs: list[tuple[str, Run]]


class Returned(msgspec.Struct, frozen=True, tag="returned"):
    """Loans that will not be used."""

    loans: list[str]


class Recall(msgspec.Struct, frozen=True, tag="recall"):
    """This lender has runs of that queue waiting: what it lent of it and was not used is wanted back."""

    gateway: str
    queue: QueueKey


Word = Wanted | Lent | Given | Returned | Recall
Key = tuple[str, QueueKey]  # site and queue
Post = Callable[[str, Word], None]  # to a gateway by its name, "" for all
_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


def topic_of(gateway: str) -> str:
    """Where one gateway is told of loans; "" is for all."""
    return f"{TOPIC}:{gateway}" if gateway else TOPIC


class Seal:
    """Makes words that only a gateway with the same root secret can make. `root` is asked when it is used: a gateway
    may learn it at its start."""

    def __init__(self, root: Callable[[], bytes]) -> None:
        self._root = root

    def sealed(self, word: Word) -> bytes:
        """The word as it is sent."""
        text = _encode(word)
        return self._made(b"word", text)[:_SEAL_BYTES] + text

    def opened(self, payload: bytes) -> Word | None:
        """The word that a gateway sent, None for anything else."""
        text = payload[_SEAL_BYTES:]
        if not hmac.compare_digest(payload[:_SEAL_BYTES], self._made(b"word", text)[:_SEAL_BYTES]):
            return None
        try:
            return _decoder.decode(text)
        except msgspec.MsgspecError:
            return None  # the words of a newer gateway, perhaps

    def token(self, loan: str) -> str:
        """The lease token that belongs to a loan, the same at both gateways."""
        return base64.urlsafe_b64encode(self._made(b"token", loan.encode())[:_SEAL_BYTES]).rstrip(b"=").decode("ascii")

    def _made(self, what: bytes, text: bytes) -> bytes:
        return hmac.digest(self._root(), b"taskgate loans " + what + b"\0" + text, hashlib.sha256)
