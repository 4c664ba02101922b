"""House rules that a program can hold."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    """Files under version control; a source archive without git has all of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of our own files")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".lock", ".mod", ".go", ".tsv", ""}:
            try:
                found.append((path, path.read_text()))
            except (UnicodeDecodeError, FileNotFoundError):
                continue
    return found


def test_nothing_is_left_for_later() -> None:
    words = re.compile(
        r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3 + r"\b:?", "HA" + "CK"]) + r")\b"
    )
    left = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path, text in texts()
        for line in text.splitlines()
        if words.search(line)
    ]
    assert left == []


def test_no_file_has_grown_a_second_idea() -> None:
    """Beyond some 600 lines one always has; it is split by idea, and then no part is near that."""
    counts = {path: text.count("\n") for path, text in texts() if path.suffix == ".py"}
    assert {str(path.relative_to(ROOT)) for path, lines in counts.items() if lines > 620} == set()


def test_no_machine_and_no_registry_is_named() -> None:
    hosts = re.compile(
        "|".join(
            [
                "py" + r"pi\.org",
                "python" + "hosted",
                "/wor" + "k/",
                "/roo" + "t/",
                "proxy" + r"\.golang",
                r"registry\.n" + "pmjs",
            ]
        )
    )
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path, text in texts()
        for line in text.splitlines()
        if hosts.search(line)
    ]
    assert named == []


def test_every_folder_of_vectors_says_where_they_come_from() -> None:
    folders = {
        path.parent
        for path in tracked()
        if "vectors" in path.parts and path.suffix in {".json", ".bin", ".txt"}
    }
    silent = [
        folder
        for folder in folders
        if not any((up / "README.md").exists() for up in (folder, folder.parent))
    ]
    assert folders
    assert silent == []


def test_decisions_are_numbered_in_their_order_and_none_twice() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert records
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        assert path.read_text().startswith(f"# {int(path.name[:4])}. "), path.name


def test_lock_files_hold_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--index" not in text
        pins = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==", text, re.MULTILINE | re.IGNORECASE)
        assert len(pins) > 10
        assert text.count("--hash=sha256:") >= len(pins)


def test_every_code_that_is_raised_stands_in_the_formats() -> None:
    pages = ("docs/formats/own.md", "docs/formats/seals.md", "docs/seals.md")
    told = {
        code for page in pages for code in re.findall(r"`([a-z0-9-]+)`", (ROOT / page).read_text())
    }
    raised = {
        code
        for room in ("ledger", "authz", "seals", "nodes")
        for path in (ROOT / room).rglob("*.py")
        for code in re.findall(r"code(?:: str)? ?= ?\"([a-z-]+)\"", path.read_text())
    }
    assert len(raised) > 50
    assert sorted(raised - told - {"error", "refused", "unverified", "unavailable", "fatal"}) == []
