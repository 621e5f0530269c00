"""Settings of identity.

Whether callers must show who they are; what each of them may do is in its key, not here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """Who may come in.

    enabled: whether every call needs a credential. Default true. Off, everybody is an administrator, so that is
        refused unless every door listens on a loopback address.
    believe_s: seconds for which a key is known without the store being asked again; with a store that several gateways
        share, the time after which a revocation counts even if its news were lost. Default 30.
    trust_domain: SPIFFE trust domain whose client certificates name callers. Default none: certificates name nobody.
    certificate_rules: what the names of that domain are, one `/path/{site}/{worker} = kind scope …` each; the first
        that fits counts. Default `/site/{site}/worker/{worker} = worker worker`. A name that fits none is refused.
    """

    enabled: bool = True
    believe_s: float = 30.0
    trust_domain: str = ""
    certificate_rules: tuple[str, ...] = ("/site/{site}/worker/{worker} = worker worker",)
