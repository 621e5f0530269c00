"""What every backend must hold, as pytest classes: subclass one, give it its fixture, run it."""

import pytest

for _name in (
    "adding",
    "appending",
    "applying",
    "archive",
    "audit",
    "board",
    "book",
    "buckets",
    "calls",
    "catalogue",
    "census",
    "claiming",
    "journal",
    "keeping",
    "keys",
    "leadership",
    "ledger",
    "life",
    "mandates",
    "one_use",
    "ready",
    "relays",
    "renewing",
    "roster",
    "run_logs",
    "services",
    "signals",
    "tailing",
    "timers",
    "tokens",
):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")
