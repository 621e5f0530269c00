"""Every error that taskgate raises on purpose, grouped by who must act.

    TaskgateError
    ├── CallerError             the caller must change the request
    │   ├── Malformed           the bytes are not what the protocol says
    │   ├── InvalidInput        well-formed, but a rule or a schema refuses it
    │   ├── Unauthenticated     no credential, or a wrong one
    │   ├── Forbidden           the credential does not allow this
    │   ├── NotFound            no such thing, or not for this caller (the same answer)
    │   ├── WrongMethod         the address exists, the verb does not
    │   ├── Conflict            the present state refuses it
    │   ├── KeyReused           an idempotency key with another body
    │   ├── OutOfRange          a part was asked for that does not exist
    │   ├── TooSlow             the request did not come in its time
    │   └── TooLarge            over a size limit
    │       └── HeadTooLarge    the headers of a request, or their number
    ├── NotNow                  try again after `retry_after_s`
    │   ├── Limited             this caller asks too often
    │   └── Unavailable         a part of the gateway is away
    ├── UpstreamError           the service behind a route did not do its part
    │   ├── UpstreamBroken      not to be reached, cut off, or no valid HTTP
    │   ├── UpstreamSlow        no answer in its time
    │   └── LoopDetected        the request has been here before
    ├── RunEnded                the awaited run has no output
    │   ├── RunFailed           its chain is exhausted
    │   ├── RunCancelled        somebody cancelled it
    │   └── RunTimedOut         its total deadline passed
    ├── PackageRefused          task code that must not be loaded
    ├── LinkError               the conversation with the other side broke the rules
    │   ├── LocalLinkError      we were about to break them
    │   └── RemoteLinkError     the other side broke them
    ├── LeaseLost               somebody else holds the run: stop quietly
    └── StoreError              an operator must look

`code` is stable and upper snake case: scripts match on it. `detail` is for people and never carries a secret.
"""

from __future__ import annotations


class TaskgateError(Exception):
    """Root of the tree: a stable `code`, a `detail` sentence and optional JSON-ready members in `extra`."""

    default_code = "INTERNAL"

    def __init__(self, detail: str = "", *, code: str | None = None, extra: dict[str, object] | None = None) -> None:
        super().__init__(detail)
        self.code = code or self.default_code
        self.detail = detail
        self.extra = extra or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class CallerError(TaskgateError):
    """The caller must change the request; repeating it gives the same answer."""

    default_code = "BAD_REQUEST"


class Malformed(CallerError):
    """The bytes are not what the protocol says: broken JSON, an unknown frame, a bad header."""

    default_code = "MALFORMED"


class InvalidInput(CallerError):
    """Well-formed, but refused by a rule or a schema; `extra["path"]` names the failing place."""

    default_code = "INVALID_INPUT"


class Unauthenticated(CallerError):
    """No credential, or one that is wrong, expired or revoked."""

    default_code = "UNAUTHENTICATED"


class Forbidden(CallerError):
    """The credential is good and does not allow this."""

    default_code = "FORBIDDEN"


class NotFound(CallerError):
    """There is no such thing, or it belongs to another tenant: both give this very answer."""

    default_code = "NOT_FOUND"


class WrongMethod(CallerError):
    """The address exists and does not know this verb; `extra["allow"]` lists those it knows."""

    default_code = "METHOD_NOT_ALLOWED"


class Conflict(CallerError):
    """The present state refuses the request; `detail` names that state."""

    default_code = "CONFLICT"


class KeyReused(CallerError):
    """The idempotency key was used with another body."""

    default_code = "IDEMPOTENCY_KEY_REUSED"


class OutOfRange(CallerError):
    """The part that is asked for does not exist; `extra["size_bytes"]` is what there is."""

    default_code = "OUT_OF_RANGE"


class TooLarge(CallerError):
    """The body, input or frame is over its limit; `extra["limit_bytes"]` says which."""

    default_code = "TOO_LARGE"


class HeadTooLarge(TooLarge):
    """The head of the request is over its limit, in bytes or in headers."""

    default_code = "HEAD_TOO_LARGE"


class TooSlow(CallerError):
    """The request, or the next piece of it, did not come in its time."""

    default_code = "TOO_SLOW"


class NotNow(TaskgateError):
    """The request is good; try again after `retry_after_s` seconds."""

    default_code = "NOT_NOW"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_s: float = 1.0,
        code: str | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        super().__init__(detail, code=code, extra=extra)
        self.retry_after_s = retry_after_s


class Limited(NotNow):
    """This caller asks too often."""

    default_code = "RATE_LIMITED"


class Unavailable(NotNow):
    """A part of the gateway is away: a store, a broker, a draining process."""

    default_code = "UNAVAILABLE"


class UpstreamError(TaskgateError):
    """The service behind a route did not do its part; nothing of its answer has reached the caller."""

    default_code = "UPSTREAM_FAILED"


class UpstreamBroken(UpstreamError):
    """The upstream was not to be reached, ended the connection, or answered with no valid HTTP."""

    default_code = "UPSTREAM_BROKEN"


class UpstreamSlow(UpstreamError):
    """The upstream, or the whole chain of them, did not answer in its time."""

    default_code = "UPSTREAM_TIMEOUT"


class LoopDetected(UpstreamError):
    """The request has passed this gateway before: an upstream leads back to it."""

    default_code = "LOOP_DETECTED"


class RunEnded(TaskgateError):
    """The awaited run ended without an output; `run_id` names it."""

    default_code = "RUN_ENDED"

    def __init__(self, detail: str = "", *, run_id: str = "", code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.run_id = run_id


class RunFailed(RunEnded):
    """The run's chain is exhausted; `code` is the last attempt's."""

    default_code = "RUN_FAILED"


class RunCancelled(RunEnded):
    """Somebody cancelled the run."""

    default_code = "RUN_CANCELLED"


class RunTimedOut(RunEnded):
    """The run's total deadline passed."""

    default_code = "RUN_TIMED_OUT"


class PackageRefused(TaskgateError):
    """Task code that must not be loaded: unsafe archive, wrong digest, bad manifest."""

    default_code = "PACKAGE_REFUSED"


class LinkError(TaskgateError):
    """The conversation between gateway and worker broke its rules; the link is closed."""

    default_code = "LINK_ERROR"


class LocalLinkError(LinkError):
    """Our side was about to send something the protocol forbids: a bug here."""

    default_code = "LINK_LOCAL"


class RemoteLinkError(LinkError):
    """The other side sent something the protocol forbids."""

    default_code = "LINK_REMOTE"


class LeaseLost(TaskgateError):
    """Another holder has the run, or it ended: stop quietly and write nothing more."""

    default_code = "STALE_ATTEMPT"


class StoreError(TaskgateError):
    """A store is broken in a way that waiting does not mend: an operator must look."""

    default_code = "STORE_ERROR"
