"""Problem documents as the endpoints name them.

The rules stand in `taskgate.problems`, which the data plane shares: both answer alike.
"""

from taskgate.problems import FROM_GATEWAY, PROBLEM_JSON, Header, encode_problem, members_of, printable

__all__ = ["FROM_GATEWAY", "PROBLEM_JSON", "Header", "encode_problem", "members_of", "printable"]
