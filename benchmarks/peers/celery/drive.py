"""`delay` and `get`, as every Celery caller writes them; the backend tells results by publish/subscribe."""

from app import noop
from loop import PAYLOAD, drive

drive(lambda: noop.delay(PAYLOAD), lambda result: result.get(timeout=60))
