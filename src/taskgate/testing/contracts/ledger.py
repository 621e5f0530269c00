"""The contract of `RunLedger`, verb by verb: the one suite that judges every backend.

class TestMyLedger(RunLedgerContract):
    @pytest.fixture
    async def stage(self):
        clock = ManualClock()
        yield RunStage(ledger=MyLedger(clock), book=MyBook(...), clock=clock)
"""

from __future__ import annotations

from taskgate.testing.contracts.adding import AddContract
from taskgate.testing.contracts.applying import ApplyContract
from taskgate.testing.contracts.claiming import ClaimContract
from taskgate.testing.contracts.renewing import RenewContract
from taskgate.testing.contracts.timers import TimersContract


class RunLedgerContract(AddContract, ClaimContract, RenewContract, ApplyContract, TimersContract):
    """Fixture: `stage`, a fresh `RunStage`."""
