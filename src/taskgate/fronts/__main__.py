"""`python -m taskgate.fronts`: one front, started by its gateway and by nobody else.

Nothing is decided here: what it is told comes on standard input.
"""

from taskgate.fronts.front import run

if __name__ == "__main__":
    raise SystemExit(run())
