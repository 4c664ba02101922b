"""Delete each line of the rules that refuses, and see that a test of theirs fails.

``python -m tests.authz.mutate`` says which survive; its status is 1 if any does. Files may be
named, else it is all of them. A ``raise``, or a call of a check, is taken out of the function's
code in place, so that whoever has imported it runs the mutant too, and only the tests that met the
line are run.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

import pytest

from ledger.errors import LedgerError
from tests.authz.refusing_lines import ROOT, Line, all_lines, places_of, refuses, was_met
from tests.authz.world import World
from tests.nodes.test_hostile_writers import MODULES, UNREACHED, calls_of, fresh


@dataclass
class Call:
    """One case of a test, and the lines of the project that its refusals have come through."""

    function: Callable[..., None]
    given: Callable[[], dict[str, Any]]
    places: set[tuple[str, int]] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.function.__module__}.{self.function.__name__}"

    def fails(self) -> bool:
        try:
            self.function(**self.given())
        except (Exception, pytest.fail.Exception):  # noqa: BLE001 - however it fails
            return True
        return False


def tests() -> list[Call]:
    """Every case of the rules' own tests that sees something refused."""
    found = []
    for name in MODULES:
        module = fresh(name)
        for function in list(vars(module).values()):
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            if not function.__name__.startswith("test_"):
                continue
            for at, _ in enumerate(calls_of(module, function)):

                def given(at: int = at, of: Any = (module, function)) -> dict[str, Any]:
                    return list(calls_of(*of))[at]

                found.append(Call(function, given))
    return found


def watch(calls: list[Call]) -> None:
    """Note which lines the refusals of each case come through."""
    do = World.do
    places = set[tuple[str, int]]()

    def watched(self: World, *args: Any, **more: Any) -> Any:
        try:
            return do(self, *args, **more)
        except LedgerError as error:
            places.update(places_of(error.__traceback__))
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "do", watched)
        for call in calls:
            places.clear()
            assert not call.fails(), call.name
            call.places = set(places)


# ---- mutants ------------------------------------------------------------------------------------


class _Without(ast.NodeTransformer):
    def __init__(self, line: int) -> None:
        self.line = line

    def visit(self, node: ast.AST) -> ast.AST:
        if refuses(node) is not None and getattr(node, "lineno", 0) == self.line:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)


def codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for it in code.co_consts:
        if isinstance(it, CodeType):
            yield from codes(it)


@contextmanager
def deleted(site: Line) -> Iterator[None]:
    """The line is gone from the running function."""
    module = importlib.import_module(site.path.removesuffix(".py").replace("/", "."))
    source = (ROOT / site.path).read_text(encoding="utf-8")
    tree = ast.fix_missing_locations(_Without(site.line).visit(ast.parse(source)))
    mutant = next(
        it
        for it in codes(compile(tree, str(ROOT / site.path), "exec"))
        if it.co_name == site.function and it.co_firstlineno <= site.line
        if site.line in range(it.co_firstlineno, last_line(it) + 1)
    )
    function = function_of(module, mutant.co_qualname.split("."))
    before = function.__code__
    function.__code__ = mutant
    try:
        yield
    finally:
        function.__code__ = before


def last_line(code: CodeType) -> int:
    return max(line for it in codes(code) for _, _, line in it.co_lines() if line is not None)


def function_of(module: object, names: list[str]) -> FunctionType:
    found = module
    for name in names:
        found = getattr(found, name)
    assert isinstance(found, FunctionType)
    return found


def survivors(lines: list[Line]) -> list[Line]:
    """Those of the lines that may be deleted, and no test of the rules fails."""
    calls = tests()
    watch(calls)
    left = []
    for site in lines:
        if site.key in UNREACHED:
            continue
        met = [it for it in calls if was_met(site, it.places)]
        with deleted(site):
            if not any(it.fails() for it in sorted(met, key=lambda it: len(it.places))):
                left.append(site)
    return left


if __name__ == "__main__":
    # No test of hypothesis fails for being slow, as under pytest.
    importlib.import_module("tests.conftest")
    wanted = [it for it in all_lines() if it.path in sys.argv[1:] or not sys.argv[1:]]
    found = survivors(wanted)
    for it in found:
        sys.stdout.write(f"{it}\n")
    sys.stdout.write(f"{len(wanted)} lines refuse, {len(found)} may be deleted unnoticed\n")
    sys.exit(bool(found))
