"""What a command line may say: numbers within their limits, told before anything is begun."""

import argparse
import math
from collections.abc import Callable
from typing import Final

PORT_MAX: Final = 65_535


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else None
        if number is None or not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number {least} to {most}")
        return number

    return read


def wholes(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """Return what reads whole numbers with commas between them."""
    one = whole(least, most)
    return lambda text: tuple(one(part) for part in text.split(","))


def above_zero(most: float) -> Callable[[str], float]:
    """Return what reads a number that is greater than 0, up to ``most``."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no number greater than 0, up to {most:,.15g}"
            )
        return number

    return read
