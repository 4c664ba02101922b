"""Lives as words: a pattern over the events of one object, and what may come next in it.

A pattern has events, groups in round brackets, ``|``, and behind an event or a group ``?`` or
``*``. An event is legal iff the past with it is the beginning of some word. Found by derivatives:
what is left of a pattern after an event.

Source: Brzozowski, Derivatives of regular expressions, 1964.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

Pattern = tuple[Any, ...]

NOTHING: Pattern = ("nothing",)
"""No word at all."""
EMPTY: Pattern = ("empty",)
"""The word of no events."""


@cache
def pattern_of(text: str) -> Pattern:
    tokens = re.findall(r"[\w:.-]+|[()|?*]", text)
    made = _either(tokens)
    assert not tokens, tokens
    return made


def _either(tokens: list[str]) -> Pattern:
    made = _after_one_another(tokens)
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        made = ("or", made, _after_one_another(tokens))
    return made


def _after_one_another(tokens: list[str]) -> Pattern:
    made = EMPTY
    while tokens and tokens[0] not in {"|", ")"}:
        word = tokens.pop(0)
        one: Pattern = ("event", word)
        if word == "(":
            one = _either(tokens)
            assert tokens.pop(0) == ")"
        while tokens and tokens[0] in {"?", "*"}:
            one = ("or", one, EMPTY) if tokens.pop(0) == "?" else ("star", one)
        made = one if made == EMPTY else ("then", made, one)
    return made


@cache
def _is_whole(left: Pattern) -> bool:
    match left:
        case ("empty",) | ("star", _):
            return True
        case ("or", one, other):
            return _is_whole(one) or _is_whole(other)
        case ("then", one, other):
            return _is_whole(one) and _is_whole(other)
        case _:
            return False


@cache
def after(left: Pattern, event: str) -> Pattern:
    """What is left of a pattern after an event."""
    match left:
        case ("event", name):
            return EMPTY if name == event else NOTHING
        case ("or", one, other):
            return _or(after(one, event), after(other, event))
        case ("then", one, other):
            first = _then(after(one, event), other)
            return _or(first, after(other, event)) if _is_whole(one) else first
        case ("star", one):
            return _then(after(one, event), left)
        case _:
            return NOTHING


def _or(one: Pattern, other: Pattern) -> Pattern:
    if NOTHING in {one, other}:
        return other if one == NOTHING else one
    return one if one == other else ("or", one, other)


def _then(one: Pattern, other: Pattern) -> Pattern:
    if NOTHING in {one, other}:
        return NOTHING
    return other if one == EMPTY else ("then", one, other)


def begins_a_word(text: str, events: Iterable[str]) -> bool:
    """Whether events, one after the other, are the beginning of a word of a pattern."""
    left = pattern_of(text)
    for event in events:
        left = after(left, event)
    return left != NOTHING
