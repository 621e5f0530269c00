"""What a worker does for the math service.

Each refuses what it cannot compute, whoever asks.
"""

from __future__ import annotations

import time

from taskgate import Context, NonRetryable, task

STEPS = 10
STEP_S = 0.1


@task(name="math.multiply", examples=[{"a": 6, "b": 7}])
def multiply(a: float, b: float) -> float:
    """The product of two numbers."""
    return a * b


@task(name="math.power", timeout_s=10, examples=[{"base": 2, "exp": 10}])
def power(base: float, exp: int) -> float:
    """A number raised to a whole power."""
    try:
        return float(float(base) ** exp)
    except (OverflowError, ZeroDivisionError) as error:
        raise NonRetryable(f"{base} to the power of {exp}: {error}") from error


@task(name="math.background_task", timeout_s=60, examples=[{"entity": "orders-2024"}])
def background_task(entity: str, *, context: Context) -> dict[str, str | int]:
    """Work on something for a second, telling how far it is."""
    for step in range(1, STEPS + 1):
        if context.cancelled:
            break
        time.sleep(STEP_S)
        context.progress(step / STEPS, f"{entity}: {step} of {STEPS}")
    return {"entity": entity, "steps": STEPS}
