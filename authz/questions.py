"""What an auditor asks of each of the eighty mechanisms, and how the ledger answers.

A question is answered by commands, each of which is an address of a node as well; and by findings,
which every node makes of the same bytes by itself, under the codes that stand here. Capitals stand
for what the auditor fills in. ``docs/mechanisms.md`` is made from this.

Source: domain.md section 3, last column.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Question(NamedTuple):
    """What is asked of a mechanism.

    Args:
        asked: In words.
        asks: Commands that answer it, without ``shouxin``; or an address, as ``GET`` and path.
        codes: Findings, and refusals, that say that it was broken.
    """

    asked: str
    asks: tuple[str, ...]
    codes: tuple[str, ...] = ()


_CASE: Final = "trace CASE"
_MONTH: Final = "workledger --month 2026-01"


def _list(type_: str, *options: str) -> str:
    """Return the command that lists a region's records of a type."""
    return " ".join(("records", type_, "REGION", *options))


QUESTIONS: Final[Mapping[int, Question]] = {
    1: Question(
        "Might this window use this right over this item, now or at a moment in the past?",
        (
            "check --window WINDOW --right intake --item ITEM",
            "windows ITEM",
            "prove GRANT -o FILE",
            "verify FILE --roster GENESIS --at 1767225600",
        ),
        ("no-grant", "grant-not-live", "window-not-granted", "not-accepted", "unauthorised-use"),
    ),
    2: Question(
        "Which version of the template does a grant follow, and was a clause changed?",
        (_list("template"), _list("grant", "--about TEMPLATE")),
        ("template-deviation", "ground-not-live", "outlives-basis"),
    ),
    3: Question("Was the grantor competent for the item?", ("trace GRANT",), ("not-competent",)),
    4: Question(
        "Which right does an act rest on, and is the grant given in return alike?",
        (_CASE, "gaps pairs REGION"),
        ("right-not-granted", "terms-differ"),
    ),
    5: Question(
        "Can any one region change what is past, and has one tried?",
        ("findings", "fsck FOLDER", "verify FILE --roster GENESIS", "evidence OBJECT -o FILE"),
        ("equivocation", "bad-map", "void-citation"),
    ),
    6: Question(
        "Who really acted, by which key, and was the account in force then?",
        (
            "trace OFFICER",
            _list("token", "--about PARTY"),
            _list("officer", "--about OFFICER"),
            "gaps accounts REGION",
        ),
        ("unknown-key", "bad-signature", "officer-not-live"),
    ),
    7: Question(
        "Why was a check made again, and how often is a window's check overturned?",
        (_list("challenge", "--about WINDOW"), _list("challenge", "--state overturned")),
        ("checked-again",),
    ),
    8: Question(
        "Who could decide on site, on which items, on that day?",
        (_list("representative", "--at 2026-01-31"),),
        ("not-representative",),
    ),
    9: Question(
        "Which items of the hall have no live grant, or grants without a decision (明进暗不进)?",
        ("ungranted REGION", _MONTH, _list("exception")),
    ),
    10: Question(
        "Was a receipt given at once, and was the same list of papers passed on?",
        (_CASE, "seal verify FILE"),
        ("late",),
    ),
    11: Question(
        "Was the contact right on that day, and which ones are missing or stale?",
        ("gaps contacts REGION --days 90", _list("contact", "--at 2026-01-31")),
        ("late",),
    ),
    12: Question(
        "Who was responsible on that day?",
        (_list("responsible", "--at 2026-01-31"), _list("responsible", "--about OFFICER")),
        ("officer-not-live",),
    ),
    13: Question(
        "Was the window staffed and equipped for video and scanning?",
        ("gaps equipment REGION", _list("readiness", "--about WINDOW", "--at 2026-01-31")),
        ("not-equipped",),
    ),
    14: Question("Did a window decide?", ("findings", _CASE), ("decision-stays",)),
    15: Question(
        "Where did the case stop, and who held it at every moment?",
        (_CASE, "bundle CASE -o FILE"),
        ("not-holder", "release-withheld"),
    ),
    16: Question(
        "Did a helper file for an applicant who had not agreed?",
        (_list("assistance", "--about CASE"), _list("signature", "--about CASE")),
        ("no-consent",),
    ),
    17: Question(
        "Did the same person receive and decide?", ("findings", _CASE), ("receiver-decides",)
    ),
    18: Question(
        "Which place owed which part, and which was late?",
        (_list("part", "--about CASE"), _list("part", "--overdue"), _CASE),
        ("not-joined", "late"),
    ),
    19: Question(
        "Which terminal did it, with which firmware, and was it set up for the item?",
        (_list("device-session", "--about DEVICE"), _list("device", "--at 2026-01-31")),
        ("device-not-live", "item-not-granted"),
    ),
    20: Question(
        "What was done outside the hours of a window, and by a machine alone?",
        ("findings", _list("device-session", "--about DEVICE")),
        ("outside-hours", "beyond-hours"),
    ),
    21: Question(
        "What was checked, against which checklist, and how was the applicant identified?",
        (_list("form-review", "--about CASE"), _list("identity-check", "--about CASE")),
    ),
    22: Question(
        "Who saw the originals, when, and under which right?",
        (_CASE, _list("check", "--about CASE")),
        ("right-not-granted",),
    ),
    23: Question(
        "By whom, on what basis and when was it decided?",
        (_CASE, _MONTH),
        ("not-competent", "decision-stays"),
    ),
    24: Question(
        "Was there more than one notice, and was it in time?",
        (_CASE, _MONTH),
        ("second-notice",),
    ),
    25: Question(
        "Was the applicant sent from one to the next?",
        (_list("first-contact", "--about CASE"), _CASE),
    ),
    26: Question(
        "Was the missing paper on the published list, and did it come before the result left?",
        (_list("tolerance", "--about CASE"), _list("tolerance", "--overdue")),
        ("not-tolerable", "excluded-class", "unsettled"),
    ),
    27: Question(
        "What is overdue, since when, and who held the case meanwhile?",
        (_CASE, _MONTH),
        ("late",),
    ),
    28: Question(
        "Who stopped the clock, for what, and does the item's list have it?",
        (_list("procedure", "--about CASE"), _list("procedure-list", "--at 2026-01-31")),
        ("procedure-not-listed",),
    ),
    29: Question(
        "Was a promise checked in time, and was a breach acted on?",
        (
            _list("commitment", "--state breached"),
            _list("commitment", "--overdue"),
            _list("commitment", "--about CASE"),
        ),
        ("late",),
    ),
    30: Question(
        "Who took part, is the recording the one of then, and could the window do video?",
        (_list("video-session", "--about CASE"), "gaps equipment REGION"),
        ("not-equipped",),
    ),
    31: Question(
        "Between whom was a parcel lost, and did all arrive that was sent?",
        (
            _list("parcel", "--about CASE"),
            _list("parcel", "--state lost"),
            _list("parcel", "--overdue"),
        ),
        ("wrong-document", "late"),
    ),
    32: Question(
        "Who paid the postage, and by which policy?",
        (_list("charge", "--about CASE"), _list("fee-policy", "--at 2026-01-31")),
        ("wrong-payer",),
    ),
    33: Question(
        "Was it printed after the decision alone, and does the stock of blanks add up?",
        ("gaps blanks REGION", _list("blank-stock"), _list("print", "--about CASE")),
        ("not-decided", "blank-not-in-stock", "blanks-missing"),
    ),
    34: Question(
        "When was the result served, and by whom?", (_CASE, _MONTH), ("right-not-granted",)
    ),
    35: Question(
        "Had the applicant agreed to the helper, and was it free?",
        (_list("agent-engagement", "--about CASE"),),
        ("not-free",),
    ),
    36: Question(
        "Which version of the guide was the applicant told?",
        (_list("consultation", "--about ITEM"), _list("guide", "--at 2026-01-31")),
        ("ground-not-live",),
    ),
    37: Question(
        "Was a grievance solved, and does its cause come back?",
        (_list("grievance", "--about CAUSE"), _list("grievance", "--overdue")),
        ("late",),
    ),
    38: Question(
        "Which cases belong to the bundle, and did one ask for a paper again?",
        (_list("bundle", "--about CASE"), "findings"),
        ("asked-again",),
    ),
    39: Question(
        "Did a bank or other outlet keep within what it was lent?",
        ("trace WINDOW", "gaps outlets REGION"),
        ("right-not-granted", "window-not-granted"),
    ),
    40: Question("Was a grant lent on?", ("trace GRANT", "findings"), ("depth-exceeded",)),
    41: Question(
        "Did both places go by the same version of the item?",
        (_CASE, _list("item", "--at 2026-01-31")),
        ("item-not-live",),
    ),
    42: Question(
        "Was a paper asked for beyond the list?", ("findings", _CASE), ("extra-material",)
    ),
    43: Question(
        "Was a paper asked for that was shared already, and who chose the channel?",
        (_list("paper-request", "--about CASE"), _list("channel", "--about CASE")),
        ("asked-again",),
    ),
    44: Question(
        "Does the grant cover the scenario?",
        (
            "check --window WINDOW --right intake --item ITEM --scenario SCENARIO",
            _list("scenario", "--about ITEM"),
        ),
        ("scenario-not-granted",),
    ),
    45: Question(
        "Was every step of approval taken before a change was published?",
        (_list("proposal"), _list("proposal", "--overdue")),
        ("not-confirmed", "wrong-document"),
    ),
    46: Question(
        "Which items of the list has nobody claimed?", (_MONTH, _list("claim")), ("exists",)
    ),
    47: Question(
        "Was the item on the public list on that day, and what is lent that stands on none?",
        (_list("item-list", "--at 2026-01-31"), "gaps listing REGION"),
        ("item-not-listed",),
    ),
    48: Question(
        "Was the target met on the date, by which records?",
        ("milestones REGION",),
        ("target-not-met",),
    ),
    49: Question(
        "Which standard procedure applied?",
        (_list("process", "--at 2026-01-31"), _list("grant", "--about PROCESS")),
        ("ground-not-live",),
    ),
    50: Question(
        "Which side owed this step?",
        (_list("agreement", "--at 2026-01-31"), _list("grant", "--about AGREEMENT")),
        ("wrong-document", "outlives-basis"),
    ),
    51: Question(
        "Which issues of joint meetings are overdue?",
        (_list("meeting-issue", "--overdue"), _list("meeting", "--about PARTY")),
        ("late",),
    ),
    52: Question(
        "Was the seal in force when it was used?",
        ("trace SEAL", "prove SEAL -o FILE", "seal verify FILE"),
        ("seal-not-live", "second-person"),
    ),
    53: Question(
        "Was every use approved, and are there as many signatures as uses?",
        ("trace SEAL", _list("seal-use", "--about SEAL"), "GET /v1/seals/{id:.+}"),
        ("approval-missing", "not-keeper", "use-differs"),
    ),
    54: Question(
        "Which certificates were issued and not archived in time?",
        (_list("certificate", "--state issued"), _list("certificate", "--overdue")),
        ("late",),
    ),
    55: Question(
        "Was there consent before use, for this purpose?",
        (_list("certificate-consent", "--about CASE"),),
        ("no-consent", "wrong-purpose"),
    ),
    56: Question(
        "Was a paper asked for that a public body had issued?",
        (_list("paper-request"), _list("data-share", "--about CASE")),
        ("asked-again",),
    ),
    57: Question("How surely was the applicant known?", (_list("login", "--about CASE"),)),
    58: Question(
        "What was signed by what means, and was a fee legal and receipted?",
        (_list("signature", "--about CASE"), _list("payment", "--about CASE")),
        ("exists",),
    ),
    59: Question(
        "On what basis was the other's result accepted?",
        (_list("recognition", "--at 2026-01-31"),),
        ("wrong-document",),
    ),
    60: Question(
        "Who answers for this harm, by which act, and how was it made good?",
        ("trace INCIDENT", _list("incident"), "findings"),
    ),
    61: Question(
        "Who reported done without evidence, and are the bulletin's figures those of the ledger?",
        (_list("task", "--state reported"), _MONTH, "bulletin check BULLETIN"),
        ("unmade",),
    ),
    62: Question(
        "Was a supervisor's notice (督办) answered in time?",
        (_list("supervision", "--overdue"), _MONTH),
        ("late",),
    ),
    63: Question(
        "Can the figures of an assessment be made again, and was an appeal answered?",
        (_MONTH, "bulletin check BULLETIN", _list("assessment"), _list("assessment-method")),
        ("ground-not-live",),
    ),
    64: Question(
        "Are ratings dropped or changed, and are bad ones put right?",
        (_MONTH, _list("evaluation", "--overdue"), _list("evaluation", "--about CASE")),
        ("exists", "late"),
    ),
    65: Question(
        "Was a complaint to 12345 closed, with evidence?",
        (_list("grievance", "--about hotline"), _list("grievance", "--overdue")),
        ("late",),
    ),
    66: Question(
        "Did the regulator get the approval, and which pushes nobody has confirmed?",
        (_list("push", "--overdue"), _list("push", "--about CASE")),
        ("late",),
    ),
    67: Question(
        "Was there a time in which nobody supervised the item?",
        ("gaps oversight REGION", _list("oversight", "--about ITEM")),
    ),
    68: Question(
        "Was a breach put on the right record, and repaired?",
        (_list("credit-event"), _list("credit-event", "--overdue")),
        ("late",),
    ),
    69: Question(
        "Did somebody act who was not trained?",
        ("trace OFFICER", _list("officer", "--about COURSE")),
        ("not-entitled",),
    ),
    70: Question(
        "Was a suspended officer still active, and which master had suspended them?",
        ("trace OFFICER", _list("officer", "--at 2026-01-31")),
        ("officer-not-live",),
    ),
    71: Question(
        "Can a citizen find out who the officer is?", (_list("officer", "--about WINDOW"),)
    ),
    72: Question(
        "Was overtime covered by published hours?",
        (_list("hours", "--at 2026-01-31"), "findings"),
        ("beyond-hours",),
    ),
    73: Question(
        "Are the counts equal on both platforms, and where not, why?",
        (_list("counts", "--state different"), _list("counts", "--overdue")),
        ("counts-differ",),
    ),
    74: Question(
        "Were shared data used for their purpose alone?",
        (_list("data-request", "--about DATASET"), _list("data-request", "--overdue")),
        ("wrong-purpose",),
    ),
    75: Question(
        "Was an intermediary imposed that is not on the list?",
        (_list("intermediary-list", "--at 2026-01-31"), _list("grievance", "--about CAUSE")),
    ),
    76: Question(
        "Who approved the exception, and until when?",
        (_list("exception", "--state approved"), _list("exception", "--overdue")),
        ("late",),
    ),
    77: Question(
        "Was a grant given after its basis had lapsed, and what lapses soon?",
        ("lapsing --days 30", _list("basis", "--at 2026-01-31")),
        ("outlives-basis",),
    ),
    78: Question(
        "Which tasks are late, and whose are they?",
        (_list("task", "--overdue"), _list("task", "--about PARTY")),
        ("late",),
    ),
    79: Question(
        "Was it really published, where and when?", (_list("publication", "--about PARTY"),)
    ),
    80: Question(
        "Who supervises a body that is none of the government's?",
        (_list("public-service", "--about WINDOW"), "gaps outlets REGION"),
        ("late",),
    ),
}
"""By the number of the mechanism."""
