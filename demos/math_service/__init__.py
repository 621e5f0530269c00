"""The math service: `python -m demos.math_service`, or `uvicorn demos.math_service:app --port 8082`.

Its code is src/taskgate/cli/tour/math/service.py, so that an installed `taskgate up` has it too.
"""

from taskgate.cli.tour.math.service import app

__all__ = ["app"]
