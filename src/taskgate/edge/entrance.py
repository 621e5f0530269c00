"""Everything that decides who comes in at one gateway: keys, tokens, join tokens, certificates, what was taken back.

Building it does no I/O; `parts` are started in their order, and before any door opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from taskgate.bus import Bus
from taskgate.clock import Clock
from taskgate.edge.failures import Tries
from taskgate.edge.gate import Gate
from taskgate.edge.holding import OtherCredentials
from taskgate.identity.certificates import Certificates
from taskgate.identity.invitations import Invitations
from taskgate.identity.issuers import Issuer
from taskgate.identity.keys import Keys
from taskgate.identity.ports import KeyRing, OneUse, TokenBook
from taskgate.identity.revocations import Announcer, Revocations
from taskgate.identity.settings import AuthSettings
from taskgate.identity.signing import IdentitySigner
from taskgate.identity.token_keys import TokenKeys
from taskgate.identity.tokens import KeySets, Tokens
from taskgate.lifespan import Part


class Believed(KeySets, Part, Protocol):
    """The issuers that are believed, by what they call themselves, and their keys."""

    @property
    def issuers(self) -> Mapping[str, Issuer]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Who may come in, and how that is found out."""

    keys: Keys
    tokens: Tokens
    invitations: Invitations
    gate: Gate
    parts: tuple[Part, ...]


def entrance_of(
    auth: AuthSettings,
    *,
    keyring: KeyRing,
    token_book: TokenBook,
    signals: Announcer,
    bus: Bus,
    clock: Clock,
    signer: IdentitySigner,
    believed: Believed,
    is_sole: bool,
    one_use: OneUse | None = None,
) -> Entrance:
    """The entrance as the settings describe it."""
    revocations = Revocations(token_book, clock=clock, bus=bus, signals=signals, is_sole=is_sole)
    keys = Keys(
        keyring, clock=clock, bus=bus, signals=signals, is_sole=is_sole, believe_s=auth.believe_s, one_use=one_use
    )
    keys.standing.tokens = tokens = Tokens(
        TokenKeys(signer, rotate_s=auth.token_rotate_s, life_s=auth.token_s),
        clock=clock,
        recall=keys.recall,
        revocations=revocations,
        issuers=believed.issuers,
        key_sets=believed,
        name=auth.token_name,
        life_s=auth.token_s,
        chain_s=auth.token_chain_s,
        worker_chain_s=auth.worker_chain_s,
    )
    invitations = Invitations(token_book, keys, clock=clock)
    return Entrance(
        keys=keys,
        tokens=tokens,
        invitations=invitations,
        gate=_gate(auth, keys, invitations, clock=clock),
        parts=(believed, revocations, keys),
    )


def _gate(auth: AuthSettings, keys: Keys, invitations: Invitations, *, clock: Clock) -> Gate:
    certificates = Certificates(auth.trust_domain, auth.certificate_rules)
    return Gate(
        keys,
        clock=clock,
        auth_enabled=auth.enabled,
        others=OtherCredentials(keys, clock=clock, certificates=certificates, invitations=invitations),
        tries=Tries(clock, rate=auth.tries_per_s, burst=auth.tries_burst),
    )
