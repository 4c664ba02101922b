"""Acts that rest on logs which are not copied here: what is then not known, and said not to be.

A node judges its own log and those that it witnesses, and follows the logs that these view. A log
that it only follows may itself view logs that are nowhere near; an act in it that cites such a view
is *not judged here*. The act may stand and may be void; so whatever it could have changed is not
known here from then on, and an act that wants any of that is not judged here either. Nothing is
concluded: no finding, no use, no duty. Its own region and its committee judge it.
"""

from collections.abc import Iterable

from ledger.errors import UnavailableError
from ledger.judge import SIGNER
from ledger.kind import UNJUDGED, Fact, Kinds, Need
from ledger.names import split_name
from ledger.schema import OR, PARTY_TYPES


class NotJudgedError(UnavailableError):
    """The act rests on what is not known here.

    Args:
        touched: The objects of its log that it may have changed.
    """

    code = "not-judged-here"

    def __init__(self, touched: Iterable[str]) -> None:
        super().__init__("it rests on a log that is not followed here")
        self.touched = frozenset(touched)


class Reach:
    """How far an act reaches: the objects of its own log that it may change.

    An act changes its subject, and else only what its rule asks for. An act that rests on another
    log changes, beside its subject, only counts and indexes: objects that no act is about. What
    changes a window or an officer by the way rests on its own log alone, and such an act is not
    judged only where it cites another log without need; then all that it asks for is unknown.
    """

    def __init__(self, kinds: Kinds) -> None:
        subjects = {name for kind in kinds.values() for name in kind.subject.split(OR)}
        self._subjects = frozenset((*subjects, *PARTY_TYPES))

    def of(self, subject: str, needs: Iterable[Need]) -> frozenset[str]:
        """Return what an act may change."""
        asked = [need for need in needs if need.name != SIGNER]
        own = [need.object for need in asked if need.origin is None]
        if any(need.origin is not None for need in asked):
            own = [name for name in own if split_name(name).type not in self._subjects]
        return frozenset((subject, *own))


def unknown(before: Fact | None) -> dict[str, object]:
    """Return the state of an object that an act may have changed: nothing rests on it any more."""
    return {**({} if before is None else before.state), "live": False, UNJUDGED: True}
