"""How the promise of a case runs, kept in its row as days: so that lateness can be counted.

``term`` in the row of a case is ``[promised, opened, noticed, supplemented, …]``: the working days
that the item version promises (null where it is not within sight), then the days in Beijing, as
declared, on which the case was opened, given notice, and made whole again. A further pair stands
there for each further notice. A supplement that no notice asked for changes nothing.

Source: domain.md rule 9; mechanisms 24, 27, 28.
"""

from collections.abc import Sequence

from authz.calendar import day_of

Term = Sequence[int | None]


def opened(promised: int | None, time_s: int) -> list[int | None]:
    """Return the term of a case that is opened now."""
    return [promised, day_of(time_s)]


def is_noticed(term: Term) -> bool:
    """Return whether a notice has been given and nothing has come in since."""
    return len(term) % 2 == 1


def noticed(term: Term, time_s: int) -> list[int | None]:
    """Return the term after a notice."""
    return [*term, day_of(time_s)]


def supplemented(term: Term, time_s: int) -> list[int | None]:
    """Return the term after further papers, which count where a notice asked for them."""
    return [*term, day_of(time_s)] if is_noticed(term) else list(term)
