"""Print the report; with ``--deep``, of wider bounds too."""

import argparse
import sys

from tests.model.report import page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="wider bounds, for some minutes")
    for line in page(deep=parser.parse_args().deep):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


main()
