"""Settings of identity.

Whether callers must show who they are; what each of them may do is in its key, not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from taskgate.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may come in.

    enabled: whether every call needs a credential. Default true. Off, everybody is an administrator, so that is
        refused unless every door listens on a loopback address.
    believe_s: seconds for which a key is known without the store being asked again; with a store that several gateways
        share, the time after which a revocation counts even if its news were lost. Default 30.
    root_secret: 64 random hexadecimal digits from which the keys that sign tokens, and the secrets of services, are
        made: whoever has them is an administrator. Default none: they are in `identity.secret` in the data directory,
        made at the first start. Gateways that share their stores must have the same, here or in that file; one with
        another is refused while the others run.
    trust_domain: SPIFFE trust domain whose client certificates name callers. Default none: certificates name nobody.
    certificate_rules: what the names of that domain are, one `/path/{site}/{worker} = kind scope …` each; the first
        that fits counts. Default `/site/{site}/worker/{worker} = worker worker`. A name that fits none is refused.
    certificate_proxies: networks of proxies that end TLS before this port and whose X-Forwarded-Client-Cert is
        believed. Default none: it is deleted. Such a proxy must delete the header that callers send themselves.
    issuers_path: TOML file of the token issuers that are believed beside this gateway. Default none.
    token_name: what this installation calls itself in its own tokens, as issuer and as audience. Default taskgate.
    token_s: the longest that one of its tokens lives, in seconds. Default 900.
    token_chain_s: seconds for which one token may be changed for the next before the first credential must be shown
        again. Default 86400.
    worker_chain_s: the same for a token that is one worker's and good for nothing but working, which the worker renews
        by itself on its link. Default 2592000 (30 days).
    token_rotate_s: seconds after which tokens are signed with the next key. Default 86400.
    tries_per_s: attempts a second, of one address, to show a credential that this gateway does not know yet.
        Default 100.
    tries_burst: how many of them at once. Default 200.
    """

    enabled: bool = True
    believe_s: float = 30.0
    root_secret: Secret = field(default=Secret(""))
    trust_domain: str = ""
    certificate_rules: tuple[str, ...] = ("/site/{site}/worker/{worker} = worker worker",)
    certificate_proxies: tuple[str, ...] = ()
    issuers_path: str = ""
    token_name: str = "taskgate"  # noqa: S105
    token_s: Annotated[float, Meta(ge=10, le=86_400)] = 900.0
    token_chain_s: Annotated[float, Meta(ge=10)] = 86_400.0
    worker_chain_s: Annotated[float, Meta(ge=10)] = 2_592_000.0
    token_rotate_s: Annotated[float, Meta(ge=60)] = 86_400.0
    tries_per_s: Annotated[float, Meta(gt=0)] = 100.0
    tries_burst: Annotated[float, Meta(ge=1)] = 200.0
