"""The command line: what it loads, and how it refuses."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from ledger.errors import (
    ConflictError,
    LedgerError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
    UnverifiedError,
)
from ledger.judge import kind_of
from ledger.names import check_subject
from nodes.adapters.network import Founded
from nodes.api.problem import fields_of
from nodes.cli import acts, main, network, processes, show, verify
from nodes.core.kinds import KINDS
from nodes.core.sentences import sentence_of
from tests.nodes.folders import REGION


def shouxin(*arguments: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "nodes.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "COLUMNS": "100"},
    )


# ---- what it loads, and how it refuses -----------------------------------------------------------


def test_verify_loads_neither_http_nor_a_database() -> None:
    program = (
        "import sys; import nodes.cli.main, nodes.cli.verify\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "sys.exit(bool(loaded & {'aiohttp', 'sqlalchemy', 'sqlite3'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_command_tree_loads_no_command() -> None:
    program = (
        "import sys; from nodes.cli.main import parser; parser()\n"
        "loaded = {name for name in sys.modules if name.startswith('nodes.')}\n"
        "sys.exit(not {name for name in loaded if not name.startswith('nodes.cli.arguments')}"
        " == {'nodes.cli', 'nodes.cli.main'})"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def arguments_of(made: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str | None]]:
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, part in action.choices.items():
                yield from arguments_of(part, f"{name} {word}")
        else:
            yield f"{name} {action.dest}", action.help


def test_every_argument_says_what_it_is() -> None:
    said = dict(arguments_of(main.parser(), "shouxin"))
    assert len(said) > 200
    assert [name for name, help_ in said.items() if not help_] == []


def test_it_does_not_run_without_its_assertions() -> None:
    done = shouxin("status", python=("-O",))
    assert done.returncode == main.USAGE
    assert "python -O" in done.stderr


def test_it_says_which_version_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"shouxin {metadata.version('shouxin')}\n"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main.main(["network", "init", str(tmp_path / "file" / "net")]) == main.USAGE
    said = capsys.readouterr().err
    assert said.startswith("shouxin: no-file: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "network init DIR",
        "network up DIR",
        "node run --config F",
        "act case.note --subject s",
        "check --window w --right r --item i",
        "trace C",
        "why 00",
        "readers C",
        "bundle C -o F",
        "verify F --roster G",
        "fsck DIR",
        "repair DIR",
        "status",
        "officer-key 510000/officer/w1",
        "token issue 510000/officer/w1 --role window -o F",
        "token revoke 00",
        "demo",
    ],
)
def test_every_command_has_its_function(words: str) -> None:
    given = main.parser().parse_args(words.split())
    module, _, name = given.run.partition(":")
    found = __import__(module, fromlist=[name])
    assert callable(getattr(found, name))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnverifiedError("x"), 1),
        (MalformedError("x"), 2),
        (RefusedError("x"), 3),
        (NotFoundError("x"), 4),
        (ConflictError(1), 5),
        (UnavailableError("x"), 5),
        (LedgerError("x"), 70),
    ],
)
def test_each_class_of_refusal_has_its_exit_status(error: LedgerError, status: int) -> None:
    assert main.status_of(error) == status


def test_a_refusal_is_told_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["status", "--node", ""]) == main.USAGE
    assert "shouxin: no-node: " in capsys.readouterr().err


def test_a_folder_that_holds_no_node_is_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["fsck", str(tmp_path)]) == 4
    assert "no-node" in capsys.readouterr().err


def test_fields_that_are_in_no_file_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing, torn = tmp_path / "missing", tmp_path / "torn"
    torn.write_text("{")
    for path, code in ((missing, "no-file: cannot read"), (torn, "bad-field: ")):
        words = ["act", "case.open", "--subject", "510000/case/1", "--json", str(path)]
        assert main.main(words) == main.USAGE
        said = capsys.readouterr().err
        assert said.startswith(f"shouxin: {code}")
        assert str(path) in said


def test_a_network_of_which_no_node_starts_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / REGION).mkdir()
    (tmp_path / REGION / "node.toml").write_text("[node]\n")
    assert main.main(["network", "up", str(tmp_path)]) == main.status_of(UnavailableError(""))
    said = capsys.readouterr().err
    assert f"the node of {REGION} did not start" in said
    assert "bad-config" in said
    assert str(tmp_path / REGION / processes.LOG_FILE) in said


def test_a_node_that_is_not_there_is_unavailable(founded: Founded) -> None:
    assert main.main(["status", "--node", str(founded.folder / REGION)]) == 5


def test_a_token_that_is_not_given_leaves_no_file(founded: Founded, tmp_path: Path) -> None:
    path = tmp_path / "w1.token"
    words = ["token", "issue", f"{REGION}/officer/w1", "--role", "window", "-o", str(path)]
    assert main.main([*words, "--node", str(founded.folder / REGION)]) == 5
    assert not path.exists()
    path.touch()
    assert main.main([*words, "--node", str(founded.folder / REGION)]) == main.USAGE


# ---- network init --------------------------------------------------------------------------------


def test_init_makes_a_folder_for_each_region(tmp_path: Path) -> None:
    done = shouxin("network", "init", str(tmp_path / "net"), "--base-port", "21000", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert sorted(made["nodes"]) == ["500000", "510000", "520000", "530000", "540000"]
    assert all(Path(node["config"]).is_file() for node in made["nodes"].values())
    genesis = verify.load_genesis(Path(made["roster"]))
    assert genesis.roster.sha256.hex() == made["sha256"]


def test_a_single_region_has_no_witnesses() -> None:
    founding = network.chosen(21_000, "530000")
    assert [place.region for place in founding.places] == ["530000"]
    assert founding.steward == "530000"


@pytest.mark.parametrize(
    ("port", "regions"), [(0, None), (65_530, None), (8410, "110000"), (8410, "510000,510000")]
)
def test_ports_and_regions_out_of_range_are_refused(port: int, regions: str | None) -> None:
    with pytest.raises(MalformedError):
        network.chosen(port, regions)


# ---- status --------------------------------------------------------------------------------------


def test_status_says_how_far_a_node_has_come_that_takes_other_logs_in() -> None:
    taking_in = {"wanted": 1_000_000, "stored": 250_000, "judged": 100_000}
    told = acts.progress_line(taking_in)
    assert "250,000 of 1,000,000 entries hashed and stored (25%)" in told
    assert "100,000 with every signature and rule checked (10%)" in told
    kept_up = {"wanted": 1_000_000, "stored": 1_000_000, "judged": 999_900}
    assert acts.progress_line(kept_up) == ""


def test_status_asks_no_quorum_of_a_region_that_is_alone() -> None:
    assert acts.quorum_words(3, 4) == "quorum 3 of 4"
    assert acts.quorum_words(1, 0) == "no other region witnesses it"


# ---- act -----------------------------------------------------------------------------------------


def test_fields_are_read_by_their_types() -> None:
    fields = kind_of(KINDS, "grant.offer", 1).fields
    given = [
        "item=540000/item/R016",
        "item_version=1",
        "rights=verify,intake",
        "valid_from=2026-01-01",
        "valid_until=1800000000",
    ]
    assert acts.parse_fields(given, fields) == {
        "item": "540000/item/R016",
        "item_version": 1,
        "rights": ["intake", "verify"],
        "valid_from": 1_767_196_800,
        "valid_until": 1_800_000_000,
    }


@pytest.mark.parametrize(
    "given",
    [["item"], ["nothing=1"], ["item_version=x"], ["item_version=1", "item_version=2"]],
)
def test_fields_that_do_not_fit_are_refused(given: list[str]) -> None:
    with pytest.raises(MalformedError) as caught:
        acts.parse_fields(given, kind_of(KINDS, "grant.offer", 1).fields)
    assert caught.value.code == "bad-field"


def test_a_day_alone_is_the_last_one_of_what_ends_with_it() -> None:
    fields = {
        **kind_of(KINDS, "grant.offer", 1).fields,
        **kind_of(KINDS, "task.assign", 1).fields,
    }
    given = ["valid_from=2026-01-01", "valid_until=2026-01-01", "due=2026-01-01T09:00"]
    read = acts.parse_fields(given, fields)
    assert read == {
        "valid_from": 1_767_196_800,
        "valid_until": 1_767_196_800 + 86_400,
        "due": 1_767_196_800 + 9 * 3_600,
    }
    assert show.deadline(read["valid_until"]) == "2026-01-01"
    assert show.deadline(read["due"]) == "2026-01-01 09:00"


def test_lists_are_read_in_any_order_with_the_commas_of_either_keyboard() -> None:
    fields = kind_of(KINDS, "video.start", 1).fields
    given = ["parties=510000/window/w3，510000/department/hrss、 500000/window/w1"]
    parties = ["500000/window/w1", "510000/department/hrss", "510000/window/w3"]
    assert acts.parse_fields(given, fields) == {"parties": parties}


def test_what_is_misspelled_is_answered_with_what_it_may_be() -> None:
    fields = kind_of(KINDS, "grant.offer", 1).fields
    with pytest.raises(MalformedError, match=r"is it valid_until\?"):
        acts.parse_fields(["valid_untill=1"], fields)
    with pytest.raises(MalformedError, match=r"there are: item, item_version"):
        acts.parse_fields(["zzz=1"], fields)
    with pytest.raises(MalformedError, match="write 2026-01-31"):
        acts.parse_fields(["valid_from=31 January"], fields)


@pytest.mark.parametrize(("language", "said"), [("zh", "请核对业务名称"), ("en", "its spelling")])
def test_a_refusal_is_told_in_the_clerk_s_language(
    language: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["act", "case.opn", "--lang", language]) == main.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("shouxin: unknown-kind: no such kind: case.opn; is it case.open")
    assert said in lines[1]


@pytest.mark.parametrize(
    ("code", "zh", "en"),
    [
        ("expired-token", "令牌已过期", "The token has expired"),
        ("vault-only", "shouxin vault", "shouxin vault"),
        ("judging-again", "未做任何更改", "Try again soon"),
        ("no-grant", "窗口", "The window has no grant"),
    ],
)
def test_a_refusal_of_a_caller_has_its_sentence_as_a_rule_has(code: str, zh: str, en: str) -> None:
    sentences = sentence_of(code)
    assert sentences is not None
    assert zh in sentences[0]
    assert en in sentences[1]
    fields = fields_of(RefusedError("no", code=code))
    assert (fields["reason_zh"], fields["reason_en"]) == sentences


def test_a_subject_that_is_none_is_told_what_one_is() -> None:
    with pytest.raises(MalformedError, match="<region>/<type>/<number>, as 510000/case/2026-1"):
        check_subject("2026-1")
    for name in ("510000/case/2026-1", "510000", "net.example/510000"):
        check_subject(name)


def test_a_boolean_is_true_or_false() -> None:
    fields = kind_of(KINDS, "seal.issue", 1).fields
    assert acts.parse_fields(["approval=true"], fields) == {"approval": True}
    with pytest.raises(MalformedError):
        acts.parse_fields(["approval=1"], fields)
