"""Where rules refuse: each ``raise`` in what judges an act, and each call of a check.

A line that no act can reach is no rule; one that no test reaches may be deleted and nobody notices.
So the tests of hostile writers ask that each of these lines was seen to refuse one of their acts,
under a test that names the code; and ``tests.authz.mutate`` deletes each of them in turn.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
JUDGING = (
    *(
        f"authz/{name}.py"
        for name in (
            "basis",
            "branch",
            "calendar",
            "case",
            "correction",
            "custody",
            "grant",
            "ground",
            "hours",
            "item",
            "originals",
            "party",
            "records",
            "representative",
            "shared_papers",
            "token",
            "training",
            "unsettled",
            "use",
        )
    ),
    *(f"authz/tables/{it.name}" for it in sorted((ROOT / "authz/tables").glob("*.py"))),
    *(f"seals/{name}.py" for name in ("lending", "life", "usage")),
)
"""What rules are made of. The judge's own steps are tested one by one in ``tests/ledger``."""


@dataclass(frozen=True, order=True)
class Line:
    """A statement that refuses: where it stands, in which function, and its code.

    Of a call, ``code`` is the name of the check that it calls.
    """

    path: str
    function: str
    line: int
    last: int
    code: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.function} {self.code}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Its name, whatever is written above it."""
        return self.path, self.function, self.code


def refuses(node: ast.AST) -> str | None:
    """The code of a raise, or the name of a check that a statement only calls; None for others."""
    if isinstance(node, ast.Raise):
        codes = [
            it.value.value
            for it in ast.walk(node)
            if isinstance(it, ast.keyword)
            and it.arg == "code"
            and isinstance(it.value, ast.Constant)
        ]
        return str(codes[0]) if codes else ""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name = ast.unparse(node.value.func)
        if name.rpartition(".")[2].lstrip("_").startswith(("check", "next_")):
            return name
    return None


def lines_in(path: str) -> list[Line]:
    """Every statement of a module that refuses, by the function that it stands in."""
    found: list[Line] = []

    def walk(node: ast.AST, function: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = child.name if isinstance(child, ast.FunctionDef | ast.ClassDef) else function
            code = refuses(child)
            if code is not None:
                assert isinstance(child, ast.stmt)
                assert child.end_lineno is not None
                found.append(Line(path, name, child.lineno, child.end_lineno, code))
            walk(child, name)

    walk(ast.parse((ROOT / path).read_text(encoding="utf-8")), "")
    return found


def all_lines() -> list[Line]:
    return [it for path in JUDGING for it in lines_in(path)]


def places_of(traceback: TracebackType | None) -> set[tuple[str, int]]:
    """The lines of the project that an error has come through."""
    found = set()
    while traceback is not None:
        path = Path(traceback.tb_frame.f_code.co_filename)
        if path.is_relative_to(ROOT):
            found.add((str(path.relative_to(ROOT)), traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def was_met(site: Line, places: set[tuple[str, int]]) -> bool:
    return any(path == site.path and site.line <= line <= site.last for path, line in places)
