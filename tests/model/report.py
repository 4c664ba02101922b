"""What the models found, as a page: the same bytes on every machine, so no times stand in it."""

from collections.abc import Callable, Iterator
from functools import cache

from tests.model.catalogue import DEEPER, MODELS, MUTANTS, SLOW_MUTANTS, Mutant
from tests.model.explorer import Explored, Model, explore, walk
from tests.model.invariants import Invariant


@cache
def explored(build: Callable[[], Model]) -> tuple[Model, Explored]:
    """Explore one model of the catalogue, once."""
    model = build()
    return model, explore(model)


@cache
def killed(mutant: Mutant, *, deep: bool = False) -> tuple[Model, Explored]:
    """Explore one mutant until the promise that it breaks is broken, once; or walk its story."""
    model = mutant.build()
    if deep or not mutant.story:
        return model, explore(model, mutant.breaks)
    broken = not model.holds[mutant.breaks](walk(model, mutant.story))
    steps = len(mutant.story)
    return model, Explored(
        states=steps + 1,
        diameter=steps,
        broken=mutant.breaks if broken else None,
        trace=mutant.story,
    )


def figures(*, deep: bool = False) -> dict[str, int | str]:
    """Return how many states were explored and how many mutants killed."""
    mutants = (*MUTANTS, *SLOW_MUTANTS) if deep else MUTANTS
    models = (*MODELS, *DEEPER) if deep else MODELS
    found = [explored(build)[1] for build in models]
    dead = [mutant for mutant in mutants if killed(mutant, deep=deep)[1].broken is mutant.breaks]
    return {
        "models": len(models),
        "states": sum(it.states for it in found),
        "broken": sum(it.broken is not None for it in found),
        "promises": len(Invariant),
        "mutants": len(mutants),
        "killed": len(dead),
        "command": "python -m tests.model" + (" --deep" if deep else ""),
    }


def page(*, deep: bool = False) -> Iterator[str]:
    """Yield the lines of the report, each as soon as it is known."""
    yield "# The model\n"
    yield (
        "The rules between regions, written again from the protocol alone, in `tests/model/`, "
        "and explored exhaustively for a few participants. Nothing in it is shared with the "
        "node. A mutant is the same model with one rule left out; the shortest way to the broken "
        "promise is the reason for that rule. This page is the output of `python -m tests.model`; "
        "`--deep` goes further, for some minutes, and stops by itself. Traces of real nodes, "
        "recorded in the simulator (`simulator/trace.py`), are replayed against the same rules, "
        "and those of planted bugs refused, by `tests/model/test_replay.py`.\n"
    )
    yield "## What must hold\n"
    yield "| invariant | section | words |\n|---|---|---|"
    for invariant in Invariant:
        yield f"| `{invariant.name}` | {invariant.section} | {invariant.words} |"
    yield "\n## What was explored\n"
    yield (
        "States that differ only in who is called what are counted once. The diameter is the "
        "number of steps to the furthest state. No invariant broke.\n"
    )
    yield "| model | states | diameter | invariants |\n|---|---:|---:|---|"
    total = 0
    for build in (*MODELS, *DEEPER) if deep else MODELS:
        model, found = explored(build)
        names = [f"`{name.name}`" for name in model.holds]
        names += ["`NEVER_WEDGED`"] if model.fair else []
        assert found.broken is None, (model.name, found.broken, found.trace)
        total += found.states
        yield f"| {model.name} | {found.states:,} | {found.diameter} | {', '.join(names)} |"
    yield f"| together | {total:,} | | |"
    yield "\n## What each rule is for\n"
    yield (
        "Each trace is a shortest one, found breadth first; *told* marks a trace that only the "
        "deep run finds and this page walks.\n"
    )
    yield "| rule left out | breaks | steps | states seen |\n|---|---|---:|---:|"
    mutants = (*MUTANTS, *SLOW_MUTANTS) if deep else MUTANTS
    for mutant in mutants:
        found = killed(mutant, deep=deep)[1]
        assert found.broken is mutant.breaks, mutant.name
        limit = " (a stated limit, no rule)" if mutant.is_limit else ""
        yield (
            f"| {mutant.name}{limit} | `{mutant.breaks.name}` | {len(found.trace)} "
            f"| {'told' if mutant.story and not deep else f'{found.states:,}'} |"
        )
    yield "\n## The shortest stories\n"
    for mutant in mutants:
        model, found = killed(mutant, deep=deep)
        yield f"**{mutant.name}** ({model.name}): {'; '.join(found.trace)}.\n"
