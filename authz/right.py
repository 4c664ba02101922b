"""The four rights that one place lends another (四权互授), and what is never lent.

Source: domain.md mechanisms 4, 14 and 39; the four are named in 黔府发〔2020〕4号.
"""

from enum import StrEnum
from typing import Final


class Right(StrEnum):
    """What may be done for another place. Deciding is not among them."""

    INTAKE = "intake"
    """收件受理权: take in the papers."""
    NOTICE = "notice"
    """一次性告知权: say once what is missing."""
    VERIFY = "verify"
    """原件核验权: see the originals."""
    DELIVER = "deliver"
    """审批结果送达权: hand over the result."""


DECIDE: Final = "decide"
"""审批决定: stays with the owning place, whatever anyone grants."""

RIGHTS: Final = frozenset(right.value for right in Right)

RECEIVING: Final = frozenset({Right.INTAKE.value, Right.NOTICE.value, Right.VERIFY.value})
"""Rights that only receive: they may be used under a stale view and stay open (信任为先)."""

CLERICAL: Final = frozenset({Right.INTAKE.value, Right.DELIVER.value})
"""All that an outlet which is no public body may be lent (政务+银行)."""
