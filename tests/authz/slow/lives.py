"""The lives of records, each told as a word: what may follow what, and no more.

Source: domain.md section 3.
"""

from collections.abc import Mapping
from typing import Final

LIVES: Final[Mapping[str, str]] = {
    # What is said once.
    "form-review": "review.form",
    "identity-check": "identity.check",
    "first-contact": "contact.first",
    "channel": "channel.choose",
    "data-share": "share.use",
    "paper-request": "paper.ask",
    "consultation": "consultation.record",
    "charge": "charge.record",
    "signature": "signature.record",
    "login": "login.record",
    "publication": "publication.record",
    "meeting": "meeting.record",
    "bulletin": "bulletin.publish",
    "device-session": "device.session",
    "payload": "vault.put",
    "key-share": "vault.share",
    "tombstone": "vault.shred",
    "retention": "vault.keep",
    # What is published again and again until it is withdrawn.
    "representative": "representative.appoint representative.appoint* representative.dismiss?",
    "responsible": "responsible.assign responsible.assign* responsible.relieve?",
    "contact": "contact.publish contact.publish* contact.withdraw?",
    "readiness": "readiness.attest readiness.attest* readiness.withdraw?",
    "hours": "hours.publish hours.publish* hours.withdraw?",
    "template": "template.publish template.publish* template.withdraw?",
    "process": "process.publish process.publish* process.withdraw?",
    "guide": "guide.publish guide.publish* guide.withdraw?",
    "fee-policy": "fee-policy.publish fee-policy.publish* fee-policy.withdraw?",
    "item-list": "item-list.publish item-list.publish* item-list.withdraw?",
    "scenario": "scenario.publish scenario.publish* scenario.withdraw?",
    "intermediary-list": "intermediaries.publish intermediaries.publish* intermediaries.withdraw?",
    "assessment-method": "method.publish method.publish* method.withdraw?",
    "procedure-list": "procedures.publish procedures.publish*",
    "vault-key": "vault.key vault.key*",
    # What is begun and ended.
    "exclusion": "( exclusion.publish exclusion.end )* exclusion.publish?",
    "claim": "claim.make claim.release?",
    "agent-engagement": "agent.engage agent.end?",
    "procedure": "procedure.start procedure.end?",
    "print": "print.record print.void?",
    "payment": "payment.record payment.refund?",
    "video-session": "video.start ( video.end:done | video.end:failed )?",
    "blank-stock": "blanks.receive blanks.count* blanks.close?",
    "bundle": "bundle.open bundle.add* bundle.close?",
    "device": (
        "device.enrol ( device.update | device.suspend device.resume )*"
        " ( device.retire | device.suspend device.retire )?"
    ),
    "tolerance": "tolerance.accept ( tolerance.settle | tolerance.lapse )?",
    "assistance": "assist.consent ( assist.file | assist.withdraw )?",
    "certificate-consent": "consent.give consent.use* ( consent.spend | consent.withdraw )?",
    # What is asked and answered.
    "challenge": "challenge.raise ( challenge.answer:upheld | challenge.answer:overturned )?",
    "exception": (
        "exception.apply ( exception.answer:refused | exception.answer:approved exception.end )"
    ),
    "public-service": "public-service.include public-service.supervise? public-service.exclude?",
    "oversight": (
        "oversight.assign ( oversight.assign | oversight.accept oversight.assign )*"
        " oversight.accept?"
    ),
    "proposal": (
        "proposal.submit ( proposal.review:returned | proposal.review:passed"
        " ( proposal.confirm:returned | proposal.confirm:passed proposal.publish ) )"
    ),
    "agreement": (
        "agreement.propose ( agreement.decline | agreement.withdraw"
        " | agreement.sign agreement.end )"
    ),
    "recognition": (
        "recognition.propose ( recognition.decline | recognition.end"
        " | recognition.sign recognition.end )"
    ),
    "part": (
        "part.ask ( part.withdraw | part.answer:done part.join"
        " | part.answer:refused part.withdraw )"
    ),
    "commitment": (
        "commitment.make ( commitment.check:kept"
        " | commitment.check:breached commitment.revoke commitment.push )"
    ),
    "parcel": "parcel.send ( parcel.receive:intact | parcel.receive:damaged | parcel.lose )",
    "certificate": "certificate.issue certificate.archive? certificate.revoke",
    "push": (
        "push.send ( push.receipt:rejected push.resend )*"
        " ( push.receipt:accepted | push.receipt:rejected )"
    ),
    "credit-event": "credit.push credit.receipt credit.repair",
    "counts": "counts.tell ( counts.answer:equal | counts.answer:different counts.explain )",
    "data-request": "data.request ( data.refuse | data.provide data.use* data.end )",
    "evaluation": (
        "evaluation.rate:very-satisfied | evaluation.rate:satisfied | evaluation.rate:fair"
        " | ( evaluation.rate:dissatisfied | evaluation.rate:very-dissatisfied )"
        " ( evaluation.rectify evaluation.feedback:unsettled )*"
        " evaluation.rectify evaluation.feedback:settled"
    ),
    "supervision": (
        "supervision.notice ( supervision.reply supervision.return )*"
        " ( supervision.withdraw | supervision.reply supervision.close )"
    ),
    "incident": (
        "incident.report ( incident.close | incident.find incident.remedy incident.close )"
    ),
    "grievance": (
        "grievance.file ( ( grievance.answer:solved | grievance.answer:explained"
        " | grievance.answer:unsolved ) grievance.reopen )*"
        " ( grievance.answer:solved | grievance.answer:explained | grievance.answer:unsolved )"
        " grievance.close"
    ),
    "task": (
        "task.assign ( task.report task.return )* ( task.withdraw | task.report task.accept )"
    ),
    "milestone": "milestone.set milestone.report* milestone.reach",
    "assessment": (
        "assessment.publish ( assessment.appeal"
        " ( assessment.answer:upheld | assessment.answer:changed ) )? assessment.criticise"
    ),
    "meeting-issue": "issue.raise ( issue.settle issue.reopen )* issue.settle issue.close",
}
OUTCOME: Final[Mapping[str, str]] = {
    "exception.answer": "outcome",
    "proposal.review": "verdict",
    "proposal.confirm": "verdict",
    "part.answer": "outcome",
    "challenge.answer": "outcome",
    "video.end": "outcome",
    "commitment.check": "result",
    "parcel.receive": "state",
    "push.receipt": "outcome",
    "counts.answer": "outcome",
    "evaluation.rate": "grade",
    "evaluation.feedback": "outcome",
    "grievance.answer": "outcome",
    "assessment.answer": "outcome",
}
"""The field of a step that says how it came out, where the life goes on by that."""
