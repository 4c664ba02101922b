from pathlib import Path

import pytest

from authz.catalogue import HEADER, parse
from tests.authz.refusals import refused

TEXT = (Path(__file__).parents[2] / "authz/data/catalogue.tsv").read_text(encoding="utf-8")
ROW = "R001\t990101001000\t登记\t总局\t2020年底\t国办发〔2020〕35号\tread"
HEAD = "\t".join(HEADER)


def test_the_catalogue_is_whole_and_says_what_is_not_checked() -> None:
    items = parse(TEXT)
    assert len(items) == 167
    assert sum(item.status == "read" for item in items) == 85
    assert {item.code[:2] for item in items} == {"99"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "number\tcode",
        f"{HEAD}\n{ROW}\n{ROW}",
        f"{HEAD}\n{ROW}\n{ROW.replace('R001', 'R002')}",
        f"{HEAD}\n{ROW}\textra",
        f"{HEAD}\n{ROW.replace('总局', '')}",
        f"{HEAD}\n{ROW.replace('99', '00')}",
        f"{HEAD}\n{ROW.replace('R001', '1')}",
        f"{HEAD}\n{ROW.replace('read', 'known')}",
    ],
)
def test_a_row_that_is_not_of_the_form_is_refused(text: str) -> None:
    with refused("bad-field"):
        parse(text)


def test_remarks_and_empty_lines_are_passed_over() -> None:
    assert len(parse(f"# remark\n\n{HEAD}\n{ROW}\n")) == 1
