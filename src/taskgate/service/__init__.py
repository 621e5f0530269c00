"""The two lines that a service adds to announce itself at a gateway: `import taskgate.service`, `register(app)`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskgate.service.registering import register, registered
    from taskgate.service.registration import Registration
    from taskgate.service.verifying import Identity, verify_identity

__all__ = ["Identity", "Registration", "register", "registered", "verify_identity"]

_FILE_OF = {
    "Identity": "verifying",
    "Registration": "registration",
    "register": "registering",
    "registered": "registering",
    "verify_identity": "verifying",
}


def __getattr__(name: str) -> Any:
    if name not in _FILE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    globals()[name] = value
    return value
