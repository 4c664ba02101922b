"""Refusals, sorted by what the caller can do about them.

Every refusal carries a stable ``code`` that clients and tests match on. The class says what kind of
answer it is; the code says which rule or check it was. ``docs/formats/own.md`` lists the codes.
"""

from typing import ClassVar


class LedgerError(Exception):
    """Base of every refusal.

    Args:
        message: What is wrong, lower case, no full stop, values at the end.
        code: A stable word for this very reason; the class's own when not given.
    """

    code: str = "error"

    request: str = ""
    """The number by which a node that refused keeps why; empty where it keeps nothing."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class MalformedError(LedgerError):
    """The bytes or fields are not of the form we ask for. Mend them and send again."""

    code = "malformed"


class UnverifiedError(LedgerError):
    """A signature, proof or digest does not hold. The input proves nothing."""

    code = "unverified"


class RefusedError(LedgerError):
    """Well-formed and genuine, but a rule forbids it."""

    code = "refused"


class NotFoundError(LedgerError):
    """There is no such thing here."""

    code = "not-found"


class UnavailableError(LedgerError):
    """It cannot be done now. Nothing was changed; the same request may succeed later."""

    code = "unavailable"


class ConflictError(LedgerError):
    """The caller worked from an old state. It may try again from ``known_size``."""

    code = "conflict"

    def __init__(self, known_size: int, *, code: str | None = None) -> None:
        super().__init__(f"the log is at size {known_size}", code=code)
        self.known_size = known_size


class FatalError(Exception):
    """We no longer know what is on disk. Stop, and let start-up recovery find out.

    Not a ``LedgerError``, so that no handler can turn it into a polite answer.
    """

    code: ClassVar[str] = "fatal"
