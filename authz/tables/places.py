"""Windows as records speak for them: which one, whose it is, and what is kept in its own row."""

from collections.abc import Iterable

from authz.records import Row
from ledger.errors import RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Need


def window_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the window that the body names, or that the record is about."""
    known = None if own is None else own.state.get("window")
    window = draft.body.get("window", known)
    return () if window is None else (Need("window", window),)


def check_window(acting: Acting, _before: Row, _after: Row) -> tuple[Change, ...]:
    """Check that the window is in service, and is one of the hall that speaks for it."""
    check_own_window(acting, acting.facts["window"], acting.act.body["window"])
    return ()


def check_own_window(acting: Acting, window: Fact | None, name: str) -> Fact:
    """Check that a window is in service, and that the signer speaks for it, and return it.

    Raises:
        RefusedError: ``window-not-live`` or ``not-entitled``.
    """
    if window is None or "hall" not in window.state or "/window/" not in window.object:
        raise RefusedError(f"no such window here: {name}", code="window-not-live")
    if not window.live:
        raise RefusedError(f"the window is not in service: {window.object}", code="window-not-live")
    signer = acting.signer
    if signer is not None and signer.state["unit"] not in {window.object, window.state["hall"]}:
        raise RefusedError(f"{window.state['hall']} speaks for the window", code="not-entitled")
    return window


def without(window: Fact | None, names: Iterable[str]) -> tuple[Change, ...]:
    """Return the window's row without what a record kept there; nothing where it has none of it."""
    gone = set(names)
    if window is None or gone.isdisjoint(window.state):
        return ()
    row = {name: value for name, value in window.state.items() if name not in gone}
    return (Change(window.object, row),)
