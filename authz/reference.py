"""The pages that the tables make: every kind of act, the lives of things, the mechanisms."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from authz.mechanisms import MECHANISMS
from authz.questions import QUESTIONS
from authz.records import About, Side, Signer, Step
from authz.tables import LIVES
from ledger.kind import Field, Kind, Kinds


def reference(kinds: Kinds) -> str:
    """Return the table as a page of Markdown: kinds and lives, each in its order."""
    lines = [
        "# Kinds of acts",
        "",
        "What can be recorded, by whom, and with which fields. A field in *italics* may be left",
        "out. This page is made from the tables in `authz/tables`, `authz/calendar.py` and",
        "`seals/kinds.py`. Which questions they answer, `docs/mechanisms.md` says.",
        "",
        "An officer whose window, hall or department is suspended or retired (a stopped unit)",
        "begins nothing new. What gives back, ends or answers for what is there is done at a",
        "stopped unit too, and is marked so; what protects the applicant is among it.",
        "",
        "An act cites what it rests on in the roles that are named, where there is such a thing:",
        "`there` is the newest row of the record in the other side's log, `release` what brought",
        "the case, `unsettled` what a region has open of it. It leaves its subject otherwise, and",
        "objects of the types that are named: `once` says what is not to occur again, `may` which",
        "grants a window has.",
        "",
    ]
    for kind in kinds.values():
        lines += describe(kind)
    lines += [
        "# Lives of records",
        "",
        "Which act may follow where a record stands, and where it leads. Nothing else is let in.",
        "An act with a colon is one with that value in the field that decides.",
        "",
        "| record | stands | act | leads to |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {life.subject} | {state} | `{event}` | {after} |"
        for life in LIVES
        for (state, event), after in life.steps.items()
    ]
    lines.append("")
    return "\n".join(lines)


def describe(kind: Kind) -> list[str]:
    """Return what there is to know of a kind, as lines of Markdown."""
    changes = ", ".join(("its subject", *kind.changes))
    what = f"{kind.en[:1].upper()}{kind.en[1:]}, version {kind.version}."
    lines = [
        f"## `{kind.name}` {kind.zh}",
        "",
        f"{what} Subject: {kind.subject}. {_signer(kind)} {_staleness(kind)}",
        "",
        f"Cites: {', '.join(kind.cites) or 'nothing'}. Changes: {changes}.",
        "",
        f"Asked: {kind.question} Serves: {kind.source}.",
        "",
    ]
    if kind.fields:
        lines += ["| field | type | 说明 | meaning |", "|---|---|---|---|"]
        lines += [_row(name, field) for name, field in kind.fields.items()]
        lines.append("")
    return lines


def step_of(kind: Kind) -> Step | None:
    """Return the step of a record's life that a kind is; None for a rule of its own."""
    step = getattr(kind.rule, "__self__", None)
    return step if isinstance(step, Step) else None


def _signer(kind: Kind) -> str:
    step = step_of(kind)
    if step is None:
        if not kind.by_officer:
            return "Signed by the region."
        roles = f" ({' or '.join(kind.roles)})" if kind.roles else ""
        return f"Signed by an officer{roles}{' or by the region' if kind.by_region else ''}."
    if step.signer is Signer.REGION:
        who = "the region"
    else:
        who = f"an officer ({' or '.join(step.roles)}{_units(step)})"
        if step.signer is Signer.BOTH:
            who += " or the region"
    side = {
        Side.OPENER: "" if step.opens else ", who opened it",
        Side.ADDRESSEE: ", to whom it is addressed",
        Side.EITHER: ", on either side",
    }[step.side]
    return " ".join((f"Signed by {who}{side}.", *_conditions(step)))


def _units(step: Step) -> str:
    return f"; of a {' or '.join(step.units)}" if step.units else ""


def _conditions(step: Step) -> Iterator[str]:
    """Return what a step asks beyond its signer, a sentence each."""
    if step.about is About.HELD:
        yield "The signer's unit holds the case."
    if step.about is About.KNOWN:
        yield "The case is or was in this log."
    if step.competent:
        yield "The item is one of the signer's department."
    if step.once_per:
        yield f"Once per {' and '.join(step.once_per)}."
    if step.versioned:
        yield "Versions count from 1."
    if step.timed or step.side is Side.ADDRESSEE:
        yield "Late after `due`."
    if step.check is not None:
        told = (step.check.__doc__ or "").split("\n")[0]
        yield f"Rule: {told.removeprefix('Check that ')}"


def _staleness(kind: Kind) -> str:
    told = "May stay open under a stale view." if kind.receives_only else "Wants a fresh view."
    if kind.while_stopped:
        told += " Done at a stopped unit too."
    return told


def _row(name: str, field: Field) -> str:
    shown = f"*`{name}`*" if field.optional else f"`{name}`"
    choices = f": {', '.join(field.choices)}" if field.choices else ""
    return f"| {shown} | {field.type.value}{choices} | {field.zh} | {field.en} |"


def mechanisms_page() -> str:
    """Return the eighty mechanisms as a page of Markdown: what is asked, and what answers it."""
    lines = [
        "# Mechanisms",
        "",
        "What the five policy documents ask for, in their words; the acts that record it; what an",
        "auditor asks, and the commands that answer. Capitals stand for what is filled in, and",
        "`docs/kinds.md` says more of each act. Codes are those of findings and refusals that say",
        "it was broken: `shouxin findings` lists them, `docs/formats/own.md` section 10 has them.",
        "This page is made from `authz/mechanisms` and `authz/questions.py`.",
        "",
    ]
    for row in MECHANISMS:
        question = QUESTIONS[row.number]
        lines += [f"## {row.number}. {row.name}", "", f"Asked: {question.asked}", ""]
        lines += [f"* {document}: “{phrase}”" for document, phrase in row.phrases]
        lines.append(f"* Acts: {_listed(row.kinds)}")
        if question.codes:
            lines.append(f"* Codes: {_listed(question.codes)}")
        lines.append(f"* How to ask: {_listed(map(_ask, question.asks))}")
        lines.append("")
    return "\n".join(lines)


def _ask(ask: str) -> str:
    return ask if ask.startswith("GET ") else f"shouxin {ask}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# ---- lives --------------------------------------------------------------------------------------

Steps = Mapping[tuple[str, str], str]
"""A life: by where something stands, and what happens to it, where that leads."""

_BEGUN: Final = "[*]"


def lives_page(lives: Mapping[str, tuple[str, Steps]]) -> str:
    """Return the lives as a page of Markdown, each a diagram of its own table of transitions.

    Args:
        lives: By title: a sentence about it, and its table.
    """
    lines = [
        "# Lives",
        "",
        "What may happen to what acts are about, and where it leads. Each diagram is drawn from",
        "the one table that the rules go by; what is not in it is refused. The lives of records",
        "are in `docs/kinds.md`.",
        "",
    ]
    for title, (about, steps) in lives.items():
        lines += [f"## {title}", "", about, "", *diagram(steps), ""]
    return "\n".join(lines)


def diagram(steps: Steps) -> list[str]:
    """Return a life as a Mermaid state diagram; where nothing leads to, it begins."""
    labels: dict[tuple[str, str], list[str]] = {}
    for (state, event), after in steps.items():
        labels.setdefault((state, after), []).append(event)
    states = dict.fromkeys(state for pair in labels for state in pair)
    begins = states.keys() - {after for _, after in labels}
    ends = states.keys() - {state for state, _ in labels}
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{it}" as {_named(it)}' for it in states if _named(it) != it]
    for (state, after), events in labels.items():
        start = _BEGUN if state in begins else _named(state)
        lines.append(f"    {start} --> {_named(after)}: {', '.join(events)}")
    lines += [f"    {_named(it)} --> {_BEGUN}" for it in states if it in ends]
    return [*lines, "```"]


def _named(state: str) -> str:
    return state.replace("-", "_")
