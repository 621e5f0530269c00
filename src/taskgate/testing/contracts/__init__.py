"""What every backend must hold, as pytest classes: subclass one, give it its fixture, run it."""

import pytest

for _name in (
    "adding",
    "applying",
    "book",
    "catalogue",
    "claiming",
    "keeping",
    "keys",
    "leadership",
    "ledger",
    "life",
    "renewing",
    "roster",
    "timers",
):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")
