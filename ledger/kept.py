"""What is known of texts that come again and again: the names of parties, objects and fields."""

from collections.abc import Callable
from typing import Final, TypeVar

KEPT_TEXT_CHARS_MAX: Final = 96
"""Of a text of which something is kept in mind: the names of parties and objects are no longer."""
KEPT_TEXTS_MAX: Final = 4_096

_T = TypeVar("_T")


class KeptTexts(dict[str, _T]):
    """What is known of texts, found out at the first look. Looked up without a call.

    Args:
        make: Finds out what is to be known of one.
    """

    def __init__(self, make: Callable[[str], _T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> _T:
        made = self._make(text)
        if len(text) <= KEPT_TEXT_CHARS_MAX:
            if len(self) >= KEPT_TEXTS_MAX:
                self.clear()
            self[text] = made
        return made
