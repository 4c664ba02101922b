"""What the command lines of load and bench take, and what they refuse before anything is begun."""

import pytest

from loadtests import bench, load


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--regions 0", "'0' is no whole number 1 to 31"),
        ("--regions 32", "'32' is no whole number 1 to 31"),
        ("--seconds -1", "'-1' is no number greater than 0"),
        ("--seconds nan", "'nan' is no number greater than 0"),
        ("--rate inf", "'inf' is no number greater than 0"),
        ("--rate many", "'many' is no number greater than 0"),
        ("--clients 1,,2", "'' is no whole number 1 to 4096"),
        ("--processes 1.5", "'1.5' is no whole number 1 to 256"),
        ("--base-port 65530 --regions 5", "too few ports"),
        ("--shape steady --rate 1e6", "'1e6' is no number greater than 0, up to 100,000"),
        ("--shape steady --seconds 1e6", "'1e6' is no number greater than 0, up to 604,800"),
        ("--shape steady --rate 1e5 --seconds 6e5", "would be 60,000,000,000 turns"),
        ("--rate 60", "saturation finds its own"),
        ("--shape steady --processes 2 --workers-elsewhere 2", "not by both"),
        ("--shape cut --regions 1", "one has no links"),
        ("--shape storm", "invalid choice"),
        ("--shape soak --seconds 19", "--seconds of soak are 20 or more"),
        ("--shape saturation --seconds 2.6", "of saturation are 2.66667 or more"),
    ],
)
def test_a_load_that_cannot_be_made_is_refused_by_name(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        load.arguments(words.split())
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_load_is_of_five_regions_unless_it_is_said_otherwise() -> None:
    given = load.arguments([])
    assert (given.shape, given.regions, given.clients) == ("saturation", 5, (1, 16, 64, 256))
    assert load.arguments(["--clients", "2,3"]).clients == (2, 3)
    assert load.arguments(["--shape", "soak", "--seconds", "36000"]).rate == 40.0
    assert load.arguments(["--shape", "holiday", "--rate", "2000"]).rate == 2_000.0


def test_a_full_bench_is_of_a_million_cases() -> None:
    assert bench.arguments([]).cases == 100_000
    assert bench.arguments(["--full"]).cases == 1_000_000
    with pytest.raises(SystemExit):
        bench.arguments(["--cases", "0"])


def test_the_ports_of_a_bench_can_be_chosen() -> None:
    assert bench.arguments(["--base-port", "20000"]).base_port == 20_000
    with pytest.raises(SystemExit):
        bench.arguments(["--base-port", "65500"])
