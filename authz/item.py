"""Items and their versions: what is done, by whom it is decided, and which papers may be asked for.

Rows: item ``{live, v, dept, train}``, with the newest version's number and the training it asks of
an officer; and for each version an object of its own,
``<region>/item-version/<number>.<v>``: ``{dept, mat, tol, days, accept}`` (materials, tolerable
ones, working days to decide and, where that is promised, to accept), which only ever changes once:
it ends (``live`` is False) with the next version or when the item is withdrawn. So a case that
another region opens under a version relies on a row that later views settle. Running cases keep the
version under which they were opened, ended or not.

Source: domain.md rules 5 and 11; mechanisms 41, 42, 45.
"""

from functools import lru_cache
from typing import Any, Final

from authz import party
from ledger import judge
from ledger.errors import MalformedError, RefusedError
from ledger.kind import Acting, Change, Draft, Fact, Judgement, Need

NUMBER_CHARS_MAX: Final = 54
"""So that a version's name, with a dot and its number behind, is a name still."""


# Of a few items, asked for by every case that is opened.
@lru_cache(maxsize=1_024)
def version_object(item: str, version: int) -> str:
    """Return the name of the object that is one version of an item."""
    region, _, number = item.split("/", 2)
    return f"{region}/item-version/{number}.{version}"


def number_of(item: str) -> str:
    """Return an item's number in its region, by which lists of items name it."""
    return item.split("/", 2)[2]


def publish_needs(draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the version that this one follows, and the proposal."""
    body, needs = draft.body, withdraw_needs(draft, own)
    if "proposal" not in body:
        return needs
    region = body.get("confirmed_in", draft.issuer)[:6]
    return (*needs, Need("proposal", body["proposal"], region, cite=True))


def withdraw_needs(_draft: Draft, own: Fact | None) -> tuple[Need, ...]:
    """Return the version in force; none where the item is withdrawn or new."""
    if own is None or not own.live:
        return ()
    return (Need("ended", version_object(own.object, own.state["v"])),)


def publish(acting: Acting) -> Judgement:
    """Judge ``item.publish``: the competent department sets the next version in force."""
    judge.check_own_region(acting)
    subject, body, own = acting.statement.subject, acting.act.body, acting.own
    if len(subject.rsplit("/", 1)[1]) > NUMBER_CHARS_MAX:
        raise MalformedError(
            f"an item's number has at most {NUMBER_CHARS_MAX} characters", code="bad-field"
        )
    _check_competent(acting, body["department"])
    if own is not None and own.state["dept"] != body["department"]:
        raise RefusedError(f"the item is one of {own.state['dept']}", code="not-competent")
    version = 1 if own is None else own.state["v"] + 1
    if body["version"] != version:
        raise RefusedError(f"the next version is {version}", code="wrong-state")
    _check_confirmed(acting)
    extra = [code for code in body.get("tolerable", ()) if code not in body["materials"]]
    if extra:
        raise RefusedError(f"tolerable, but not on the list: {extra[0]}", code="extra-material")
    row: dict[str, Any] = {"live": True, "v": version, "dept": body["department"]}
    if "training" in body:
        row["train"] = body["training"]
    lists = {
        "dept": body["department"],
        "days": body["days"],
        "mat": body["materials"],
        "tol": body.get("tolerable", []),
    }
    if "accept_days" in body:
        lists["accept"] = body["accept_days"]
    return Judgement(
        (
            Change(subject, row),
            Change(version_object(subject, version), lists),
            *_ended(acting),
        )
    )


def _check_confirmed(acting: Acting) -> None:
    """Check that a proposal that is named was confirmed by the province, for this very text.

    Raises:
        RefusedError: ``unknown-object``, ``not-confirmed`` or ``wrong-document``.
    """
    body = acting.act.body
    if "proposal" not in body:
        return
    proposal = acting.facts["proposal"]
    if proposal is None:
        raise RefusedError(
            f"no such proposal is within sight: {body['proposal']}", code="unknown-object"
        )
    if proposal.state["st"] not in {"confirmed", "published"}:
        raise RefusedError(f"the proposal is {proposal.state['st']}", code="not-confirmed")
    if proposal.state["digest"] != body.get("standard"):
        raise RefusedError("another text was confirmed", code="wrong-document")


def withdraw(acting: Acting) -> Judgement:
    """Judge ``item.withdraw``: no case is opened under it until another version is published."""
    own = acting.own
    if own is None:
        raise RefusedError("no such item is published here", code="unknown-object")
    if not own.live:
        raise RefusedError("the item is withdrawn already", code="wrong-state")
    _check_competent(acting, own.state["dept"])
    return Judgement((Change(own.object, {**own.state, "live": False}), *_ended(acting)))


def _ended(acting: Acting) -> tuple[Change, ...]:
    ended = acting.facts.get("ended")
    if ended is None:
        return ()
    return (Change(ended.object, {**ended.state, "live": False}),)


def _check_competent(acting: Acting, department: str) -> None:
    signer = party.person(acting)
    party.check_role(signer, party.GRANT, party.MANAGE)
    if signer.state.get("dept") != department:
        raise RefusedError(f"only {department} may do this", code="not-competent")
