"""A result is polled for every millisecond, without the back-off that Huey has by default."""

from app import noop
from loop import PAYLOAD, drive

drive(lambda: noop(PAYLOAD), lambda result: result.get(blocking=True, timeout=60, backoff=1, max_delay=0.001))
