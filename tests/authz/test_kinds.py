from pathlib import Path

import pytest

from authz.branch import Event as BranchEvent
from authz.case import RIGHT_OF
from authz.case import Event as CaseEvent
from authz.custody import Event as CustodyEvent
from authz.grant import Event as GrantEvent
from authz.kinds import KINDS
from authz.party import Event as PartyEvent
from authz.reference import diagram, lives_page, reference
from authz.right import RIGHTS
from authz.tables import LIVES
from ledger.kind import Kind
from nodes.core.lives import LIVES as ALL_LIVES
from seals.kinds import KINDS as SEAL_KINDS
from seals.lending import Event as LoanEvent
from seals.life import Event as SealEvent
from seals.usage import UseEvent

ALL = {**KINDS, **SEAL_KINDS}


@pytest.mark.parametrize("kind", ALL.values(), ids=lambda kind: kind.name)
def test_a_row_says_everything_about_its_kind(kind: Kind) -> None:
    assert kind.zh
    assert kind.en
    assert kind.question.endswith("?")
    assert kind.source
    for field in kind.fields.values():
        assert field.zh
        assert field.en


def test_no_kind_is_in_both_tables_and_each_stands_under_its_own_name() -> None:
    assert not KINDS.keys() & SEAL_KINDS.keys()
    assert all((kind.name, kind.version) == name for name, kind in ALL.items())


def test_every_event_of_the_tables_of_lives_is_a_kind() -> None:
    events = {
        *PartyEvent,
        *GrantEvent,
        *CaseEvent,
        *BranchEvent,
        *SealEvent,
        *LoanEvent,
        *UseEvent,
        *(it for it in CustodyEvent if it.startswith("handoff.")),
        *(event.split(":")[0] for life in LIVES for _, event in life.steps),
    }
    others = {
        "token.issue",
        "token.revoke",
        "basis.publish",
        "calendar.publish",
        "item.publish",
        "item.withdraw",
        "act.correct",
        "training.attest",
        "training.lapse",
    }
    assert {name for name, _ in ALL} == {str(event) for event in events} | others


def test_what_cannot_be_undone_wants_a_fresh_view() -> None:
    assert {kind.name for kind in ALL.values() if not kind.receives_only} == {
        "case.decide",
        "case.deliver",
        "case.close",
        "branch.report",
        "handoff.accept",
        "seal.use",
        "commitment.revoke",
        "print.record",
        "proposal.publish",
    }


def test_each_act_on_a_right_names_grant_and_window() -> None:
    assert set(RIGHT_OF.values()) == RIGHTS
    for name in RIGHT_OF:
        assert {"grant", "window"} <= KINDS[name, 1].fields.keys()


def test_the_page_in_the_documentation_is_the_one_the_tables_make() -> None:
    page = Path(__file__).parents[2] / "docs/kinds.md"
    assert page.read_text(encoding="utf-8") == reference(ALL)


def test_the_diagrams_in_the_documentation_are_those_the_tables_draw() -> None:
    page = Path(__file__).parents[2] / "docs/lives.md"
    assert page.read_text(encoding="utf-8") == lives_page(ALL_LIVES)


def test_a_diagram_has_each_step_of_its_table_where_it_begins_and_where_it_ends() -> None:
    lines = diagram({("new", "make"): "turned-down", ("turned-down", "end"): "over"})
    assert lines[2:-1] == [
        '    state "turned-down" as turned_down',
        "    [*] --> turned_down: make",
        "    turned_down --> over: end",
        "    over --> [*]",
    ]
    for _, steps in ALL_LIVES.values():
        drawn = "\n".join(diagram(steps))
        assert all(event in drawn for _, event in steps)


def test_the_reference_shows_every_kind_and_field() -> None:
    page = reference(ALL)
    for kind in ALL.values():
        assert f"## `{kind.name}` {kind.zh}" in page
        for name, field in kind.fields.items():
            assert f"`{name}`" in page
            assert field.zh in page
