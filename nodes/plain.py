"""Values as JSON knows them, in answers of the API and of commands alike."""

from collections.abc import Mapping
from typing import Any


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON knows
    """Return ``value`` with its bytes in hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
