"""Print the report; with ``--deep``, of wider bounds too; with ``--json``, its figures alone."""

import argparse
import json
import sys

from tests.model.report import figures, page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="wider bounds, for some minutes")
    parser.add_argument("--json", action="store_true", help="the figures alone")
    given = parser.parse_args()
    if given.json:
        sys.stdout.write(json.dumps(figures(deep=given.deep), indent=2) + "\n")
        return
    for line in page(deep=given.deep):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


main()
