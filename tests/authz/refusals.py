"""Asking for one refusal by its code."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.errors import LedgerError


@contextmanager
def refused(code: str) -> Iterator[None]:
    """What happens inside is refused with this very code."""
    with pytest.raises(LedgerError) as caught:
        yield
    assert caught.value.code == code, str(caught.value)
