"""Messages are sent one by one; a result is waited for with Redis's own blocking read."""

from app import noop
from loop import PAYLOAD, drive

drive(lambda: noop.send(PAYLOAD), lambda message: message.get_result(block=True, timeout=60_000))
