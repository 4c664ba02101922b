"""What may be owed in a case: each obligation, its term in working days, and its name."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Obligation(StrEnum):
    """What is owed."""

    ACCEPT = "accept"
    """Whoever holds it accepts the application, or says what it lacks: where that is promised."""
    ANSWER = "answer"
    """The unit that a case is offered to accepts or declines."""
    PUSH = "push"
    """The window that took the papers in hands the case on."""
    RECHECK = "recheck"
    """The deciding department looks at what has come to it."""
    NOTICE = "notice"
    """Whoever holds it says what is missing. Nothing is owed where nothing is."""
    PROMISE = "promise"
    """The deciding department decides within the days of the item version."""
    POST = "post"
    """The deciding department sends the result to where the case was opened."""
    DELIVERY = "delivery"
    """The applicant has the result."""
    # On records about the case (``authz.dues``).
    ANSWER_CHALLENGE = "answer-challenge"
    """The unit whose check is doubted answers for it."""
    PART = "part"
    """Another place does the part that was asked of it."""
    SETTLE = "settle"
    """What was let follow later (容缺) has come."""
    CHECK_PROMISE = "check-promise"
    """Whether the applicant has kept a promise is looked into."""
    ARRIVE = "arrive"
    """A parcel is where it was sent."""
    RECTIFY = "rectify"
    """What was rated badly is put right."""
    ANSWER_GRIEVANCE = "answer-grievance"
    ANSWER_NOTICE = "answer-notice"
    """The unit that a supervisor presses (督办) answers."""
    RECEIPT = "receipt"
    """The regulator confirms an approval that was pushed to it."""


TERM_DAYS: Final[Mapping[Obligation, int]] = {
    Obligation.ANSWER: 1,
    Obligation.PUSH: 1,
    Obligation.RECHECK: 1,
    Obligation.NOTICE: 5,
    Obligation.POST: 1,
    Obligation.DELIVERY: 10,
}
"""Working days. Those to decide and, where promised, to accept stand in the item version.

Source: domain.md section 6 for the way between places; 行政许可法 articles 32 and 44 (as recalled)
for notice and delivery.
"""

WORDS: Final[Mapping[Obligation, tuple[str, str]]] = {
    Obligation.ACCEPT: ("受理", "accept the application"),
    Obligation.ANSWER: ("接收答复", "answer the offer"),
    Obligation.PUSH: ("受理推送", "hand the case on"),
    Obligation.RECHECK: ("办理地复核", "re-check"),
    Obligation.NOTICE: ("一次性告知", "give the one notice"),
    Obligation.PROMISE: ("承诺办结", "decide"),
    Obligation.POST: ("结果寄送", "send the result"),
    Obligation.DELIVERY: ("结果送达", "deliver the result"),
    Obligation.ANSWER_CHALLENGE: ("答复异议", "answer a challenge"),
    Obligation.PART: ("联办分项", "do a part of the case"),
    Obligation.SETTLE: ("容缺补齐", "bring what was to follow"),
    Obligation.CHECK_PROMISE: ("承诺核查", "check a promise"),
    Obligation.ARRIVE: ("寄递送达", "bring a parcel"),
    Obligation.RECTIFY: ("差评整改", "put right what was rated badly"),
    Obligation.ANSWER_GRIEVANCE: ("诉求答复", "answer a grievance"),
    Obligation.ANSWER_NOTICE: ("督办答复", "answer a supervisor"),
    Obligation.RECEIPT: ("推送回执", "confirm what was pushed"),
}
