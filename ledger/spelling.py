"""What somebody may have meant who wrote a word that we do not know."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

GUESSES_MAX: Final = 3


def meant(word: str, known: Collection[str]) -> str:
    """Return the question whether it is one of the known words; empty where none is like it."""
    near = get_close_matches(word, sorted(known), n=GUESSES_MAX)
    return f"is it {' or '.join(near)}?" if near else ""
