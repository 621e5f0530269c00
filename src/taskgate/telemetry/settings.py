"""Settings of telemetry.

What the gateway says about itself, and in which form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The gateway's own log, on standard error.

    level: the least serious message that is written. Default info.
    format: text for people, json for collectors (one object a line). Default text.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
