"""What somebody might do next: a kind of act, who does it, on what, and what it says.

Most of what is drawn fits what has happened; some of it never does. Whether it is legal is for the
model to say.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

from authz.kinds import KINDS as AUTHZ_KINDS
from ledger.kind import Field, FieldType, Kind
from ledger.schema import ANY_SUBJECT, OR, PARTY_SUBJECT
from seals.kinds import KINDS as SEAL_KINDS
from tests.authz.slow.cases import custody, opening
from tests.authz.slow.lives import LIVES
from tests.authz.slow.past import Act, Past, names, type_of
from tests.authz.slow.records import is_whose
from tests.authz.world import (
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    DECIDER,
    FROM_S,
    HALL,
    HEAD,
    HEAD_SC,
    HRSS,
    HRSS_CQ,
    HRSS_SC,
    ITEM,
    OUTSIDER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
)
from tests.vectors.own.network import key

KINDS: Final[dict[str, Kind]] = {
    kind.name: kind for kind in (*AUTHZ_KINDS.values(), *SEAL_KINDS.values())
}
HEAD_CQ, MAKER = "500000/officer/hrss-01", "540000/officer/maker-01"
HALL_T, WINDOW_T, CLERK_T = "540000/hall/main", "540000/window/w9", "540000/officer/w9-01"
REGIONS: Final = (CHONGQING, SICHUAN, TIBET)
CAST: Final = (
    CLERK,
    CLERK_2,
    CHIEF,
    HEAD_SC,
    HEAD,
    DECIDER,
    OUTSIDER,
    CLERK_CQ,
    HEAD_CQ,
    MAKER,
    CLERK_T,
    *REGIONS,
)
WINDOWS: Final = (WINDOW, WINDOW_2, WINDOW_CQ, WINDOW_T)
UNITS: Final = (*WINDOWS, HRSS, HRSS_SC, HRSS_CQ, HALL)
PAPERS: Final = ("form", "id-copy", "proof", "photo")
FOUR: Final = ("deliver", "intake", "notice", "verify")
ZERO, ONE = bytes(32), bytes([1]) * 32
BESIDE_ITEM: Final = frozenset({"procedure-list", "exclusion"})


class Draws:
    """Draws steps that might be taken after a past."""

    def __init__(self, past: Past, random: Random, now_s: int, *, careful: bool) -> None:
        self.past, self.random, self.now_s = past, random, now_s
        self.careful = careful
        """Whether what is drawn is to fit wherever that can be told; else some of it does not."""

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def fits(self, percent: int = 90) -> bool:
        return self.careful or self.chance(percent)

    def one_of(self, *values: Any) -> Any:
        return self.random.choice(values)

    def some(self, *values: Any) -> list[Any]:
        return sorted(it for it in values if self.chance(50))

    def known(self, *types: str) -> list[str]:
        return [name for it in types for name in self.past.names.get(it, ())]

    def object_of(self, type_: str) -> str:
        """The name of something of a type; seldom of something that is not there."""
        found = self.known(type_)
        if found and self.fits(96):
            return self.one_of(*found)
        return f"{self.one_of(*REGIONS)}/{type_}/none"

    def is_thinkable(self, kind: str) -> bool:
        """Whether there is something that an act of this kind could be on."""
        row = KINDS[kind]
        wanted = {it.of for it in row.fields.values() if it.of and not it.optional}
        if not all(self.known(it) for it in wanted):
            return False
        if row.subject in {PARTY_SUBJECT, ANY_SUBJECT}:
            return True
        return self.new_percent(row) > _SELDOM or bool(self.known(*row.subject.split(OR)))

    # ---- an act -------------------------------------------------------------------------------

    def act(self, kind: str) -> Act:
        who = self.one_of(*CAST)
        name = self.name_for(KINDS[kind], who)
        if self.past.of(name) and self.chance(70):
            who = self.one_of(*self.concerned(name), who)
        return self.by(kind, who, name)

    def by(self, kind: str, who: str, name: str) -> Act:
        return Act(kind, who, name, self.body(kind, who, name), self.now_s)

    def near(self, act: Act) -> Iterator[Act]:
        """Acts that differ from one in a single thing: by whom, on what, or in what they say."""
        known = self.concerned(act.name) if self.past.of(act.name) else ()
        yield replace(act, who=self.one_of(*known, *CAST))
        others = self.known(type_of(act.name))
        if others and self.chance(30):
            yield replace(act, name=self.one_of(*others))
        fields = [name for name in KINDS[act.kind].fields if name not in _ONE_IS_LIKE_ANOTHER]
        other = self.body(act.kind, act.who, act.name)
        for name in self.random.sample(fields, min(2, len(fields))):
            if name in other:
                yield replace(act, body={**act.body, name: other[name]})
            elif name in act.body:
                left = {field: it for field, it in act.body.items() if field != name}
                yield replace(act, body=left)

    def acts(self, kind: str) -> Iterator[Act]:
        """Acts that fit wherever that can be told, one of each of the cast."""
        for who in self.random.sample(CAST, len(CAST)):
            name = self.name_for(KINDS[kind], who)
            if type_of(name) in LIVES and not is_whose(self.past, Act(kind, who, name, {})):
                continue  # whatever it said
            yield self.by(kind, who, name)

    def concerned(self, name: str) -> list[str]:
        """Who has to do with something: those of the units that it was made by or sent to."""
        told = self.past.of(name)
        units = {self.past.unit(told[0].who), told[0].region, self.past.unit(told[-1].who)}
        if type_of(name) in {"case", "branch"}:
            it = custody(self.past, name)
            units |= {str(it.holder), str(it.offered), str(it.holder)[:6]}
        units |= {str(it.body["to"]) for it in told[-2:] if "to" in it.body}
        for it in told[:1]:
            window = it.body.get("window", "")
            units |= {window, (self.past.enrolled(window) or {}).get("hall", window)}
        near = [it for it in CAST if {it, self.past.unit(it)} & units]
        return near or list(CAST)

    def name_for(self, kind: Kind, who: str) -> str:
        types = kind.subject.split(OR)
        if kind.subject == PARTY_SUBJECT:
            types = ["officer"] if self.chance(60) else ["window", "hall", "department"]
        if kind.subject == ANY_SUBJECT:
            types = sorted({type_of(it) for it in self.past.on})
        if kind.name == "calendar.publish":
            return f"{self.one_of(CHONGQING, who[:6])}/calendar/{self.one_of('2026', '2027')}"
        if kind.subject == "vault-key":
            return f"{who[:6]}/vault-key/x25519"
        if kind.subject in BESIDE_ITEM and self.chance(90):
            return f"{self.one_of(TIBET, who[:6])}/{kind.subject}/{ITEM.split('/')[2]}"
        found = self.known(*types)
        if kind.name in _STOPS and self.fits(97):
            # Else nobody is left to do anything.
            found = [it for it in found if it not in CAST + UNITS + (HALL_T,)] or found
        if found and not self.chance(self.new_percent(kind)):
            return self.one_of(*found[-6:])
        type_ = self.one_of(*types)
        region = who[:6] if self.fits(97) else self.one_of(*REGIONS)
        return f"{region}/{type_}/{1 + len(self.known(type_))}"

    @staticmethod
    def new_percent(kind: Kind) -> int:
        """How often an act of this kind is on something that is not there yet."""
        versioned = kind.name.endswith(_VERSIONED) or kind.name in _AGAIN
        first = kind.name in _FIRST or kind.name.endswith(_FIRSTS)
        return 30 if versioned else 90 if first else _SELDOM

    # ---- what it says -------------------------------------------------------------------------

    def body(self, kind: str, who: str, name: str) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if kind == "party.enrol":
            return self.party(name)
        if "case" in KINDS[kind].fields and not KINDS[kind].fields["case"].optional:
            said["case"] = self.case_for(kind, name)
        for field_name, field in KINDS[kind].fields.items():
            if field_name in said:
                continue
            if field.optional and not self.chance(_OFTEN.get(field_name, 0)):
                continue
            said[field_name] = self.value(kind, who, name, field_name, field, said)
        return said | self.more(kind, who)

    def case_for(self, kind: str, name: str) -> str:
        made = self.past.of(name)
        if kind.startswith(("branch.", "seal.")) and made and self.fits(95):
            return str(made[0].body["case"])
        return self.object_of("case")

    def more(self, kind: str, who: str) -> dict[str, Any]:
        """What hangs together: grant and window, term, the party's type, one check of two."""
        grants = self.known("grant")
        unit = self.past.unit(who)
        window = type_of(unit) == "window"
        if kind in {"case.open", "case.notice", "case.supplement", "case.verify"} or kind in {
            "case.deliver",
            "case.withdraw",
        }:
            if not window:
                return {}
            rests = grants and self.chance(85)
            return {"window": unit} | ({"grant": self.one_of(*grants)} if rests else {})
        if kind in _BESIDE and window and grants and self.chance(90):
            return {"grant": self.one_of(*grants)}
        if kind == "seal.use" and self.chance(30) and self.known("seal-loan"):
            loan = self.one_of(*self.known("seal-loan"))
            lent = self.past.of(loan, "seal.lend")
            return {"loan": loan, "grant": lent[0].body["grant"]} if lent else {}
        if kind == "challenge.raise":
            return self.check()
        if kind == "vault.keep" and self.known("tombstone"):
            tombstone = self.one_of(*self.known("tombstone"))
            return {"tombstone": tombstone, "case": self.past.of(tombstone)[0].body["case"]}
        if kind == "seal.lend" and grants:
            grant = self.one_of(*grants)
            return {"grant": grant, "window": self.past.of(grant)[0].body["window"]}
        return {}

    def party(self, name: str) -> dict[str, Any]:
        region = name[:6]
        match type_of(name):
            case "window":
                halls = [it for it in (HALL, HALL_T, "500000/hall/centre") if it[:6] == region]
                units = [it for it in (HRSS, HRSS_SC, HRSS_CQ) if it[:6] == region]
                return {"name": "窗口", "hall": self.one_of(*halls), "department": units[0]}
            case "officer":
                unit = self.one_of(*(it for it in UNITS if it[:6] == region))
                public = key(name if self.fits(90) else CLERK).public
                return {"unit": unit, "key": public, "holder": "officer", "roles": ["receive"]}
            case _:
                return {"name": "部门"}

    def check(self) -> dict[str, Any]:
        """A check that may be challenged, and where it was made."""
        made = [*self.past.said("review.form", "identity.check", "case.verify")]
        if not made:
            return {}
        it = self.one_of(*made)
        of = {"to": self.past.unit(it.who) if self.fits(90) else self.one_of(*UNITS)}
        if it.kind == "case.verify":
            return of | {"check": it.leaf, "case": it.name}
        field = "review" if it.kind == "review.form" else "identity"
        return of | {field: it.name, "case": it.body["case"], "check": it.leaf}

    def value(  # noqa: PLR0917 - all that a value may hang on
        self, kind: str, who: str, name: str, field_name: str, field: Field, said: dict[str, Any]
    ) -> Any:
        special = getattr(self, f"_{field_name}", None)
        if special is not None:
            return special(kind, who, name, said)
        if field.choices:
            if field.type is FieldType.CODES:
                return [self.one_of(*field.choices)]
            return self.one_of(*field.choices)
        match field.type:
            case FieldType.TEXT:
                return "办理"
            case FieldType.CODE:
                return self.one_of("a1", "a2")
            case FieldType.HASH:
                return ZERO if self.fits(90) else ONE
            case FieldType.HASHES:
                return [ZERO]
            case FieldType.UINT:
                return self.one_of(0, 1, 1, 1, 2)
            case FieldType.BOOL:
                return self.chance(50)
            case FieldType.SECONDS:
                return self.now_s + self.one_of(-10, 0, 5, 100, 5_000)
            case FieldType.CODES:
                return ["a1"]
            case FieldType.PARTY:
                return self.one_of(*UNITS)
            case FieldType.PARTIES:
                return [self.one_of(*UNITS)]
            case FieldType.OBJECT:
                return self.object_of(field.of)
            case FieldType.KEY:
                return key(f"{name}{len(self.past.acts)}").public

    def _version(self, kind: str, _who: str, name: str, _said: dict[str, Any]) -> int:
        if kind == "item.publish":
            return len(self.past.versions(name)) + int(self.fits(80))
        return len(self.past.of(name)) + (1 if self.fits(80) else self.one_of(0, 2))

    def _item(self, _kind: str, _who: str, name: str, said: dict[str, Any]) -> str:
        offers = self.past.of(name, "grant.offer")
        if offers and self.fits(95):
            return str(offers[0].body["item"])
        case = opening(self.past, said.get("case", ""))
        if case is not None and self.fits(95):
            return str(case.body["item"])
        told = [it for it in self.past.of(name) if "item" in it.body]
        if told and self.fits(80):
            return str(told[0].body["item"])
        return ITEM if self.fits(90) else self.object_of("item")

    def _item_version(self, _kind: str, _who: str, _name: str, said: dict[str, Any]) -> int:
        case = opening(self.past, said.get("case", ""))
        if case is not None and self.fits(95):
            return int(case.body["item_version"])
        return len(self.past.versions(said["item"])) + int(not self.fits(80))

    def _department(self, kind: str, who: str, _name: str, said: dict[str, Any]) -> str:
        if kind == "case.open" and self.fits(95):
            return self.past.item_dept(said["item"]) or HRSS
        own = self.past.dept(who)
        return own if own is not None and self.chance(60) else self.one_of(HRSS, HRSS_CQ)

    def _mode(self, kind: str, *_of: Any) -> str:
        if kind == "case.deliver":
            return str(self.one_of("counter", "post"))
        return str(self.one_of("agency", "agency", "counter", "online", "joint", "kiosk"))

    def _materials(self, kind: str, *_of: Any) -> list[Any]:
        if KINDS[kind].fields["materials"].type is FieldType.HASHES:
            return [ZERO]
        return ["form", "id-copy", "proof"] if self.fits(90) else ["form", "photo"]

    def _tolerable(self, *_of: Any) -> list[str]:
        return ["proof"] if self.fits(90) else ["other"]

    def _missing(self, *_of: Any) -> list[str]:
        return ["proof"] if self.chance(60) else self.some(*PAPERS)

    def _received(self, kind: str, *_of: Any) -> Any:
        if kind.startswith("counts."):
            return self.one_of(1, 2)
        return ["proof"] if self.chance(70) else self.some(*PAPERS)

    def _documents(self, *_of: Any) -> list[str]:
        return ["id-copy"]

    def _material(self, *_of: Any) -> str:
        return str(self.one_of("form", "id-copy", "proof", "proof", "photo"))

    def _sent(self, *_of: Any) -> int:
        return int(self.one_of(1, 2))

    def _rights(self, *_of: Any) -> list[str]:
        if self.chance(70):
            return list(FOUR)
        return self.some(*FOUR) if self.chance(90) else ["decide"]

    def _window(self, kind: str, who: str, name: str, _said: dict[str, Any]) -> str:
        offers = self.past.of(name, "grant.offer")
        if offers and self.fits(95):
            return str(offers[0].body["window"])
        told = [it for it in self.past.of(name) if "window" in it.body]
        if told and self.fits(90):
            return str(told[0].body["window"])
        own = [it for it in WINDOWS if it[:6] == who[:6]]
        if kind != "grant.offer" and own and self.chance(90):
            return str(self.one_of(*own))
        return str(self.one_of(*WINDOWS, HALL))

    def _windows(self, _kind: str, who: str, *_of: Any) -> list[str]:
        own = [it for it in WINDOWS if it[:6] == who[:6]]
        return [self.one_of(*own)] if own and self.chance(90) else [self.one_of(*WINDOWS)]

    def _valid_from(self, *_of: Any) -> int:
        return int(self.one_of(FROM_S, FROM_S, FROM_S, self.now_s + 50))

    def _valid_until(self, *_of: Any) -> int:
        return int(
            self.one_of(UNTIL_S, UNTIL_S, UNTIL_S, UNTIL_S + 9, self.now_s + 300, FROM_S - 1)
        )

    def _staleness_s(self, *_of: Any) -> int:
        return 600

    def _quota(self, *_of: Any) -> int:
        return int(self.one_of(1, 2))

    def _training(self, kind: str, *_of: Any) -> Any:
        return ["medical"] if kind == "party.enrol" else "medical"

    def _course(self, *_of: Any) -> str:
        return "medical"

    def _opens(self, *_of: Any) -> str:
        return "09:00"

    def _closes(self, *_of: Any) -> str:
        return "17:00"

    def _to(self, kind: str, who: str, *_of: Any) -> str:
        if kind.startswith("proposal."):
            return str(self.one_of(SICHUAN, HALL, HRSS_SC, SICHUAN if self.careful else who[:6]))
        return str(self.one_of(*UNITS, *REGIONS, HRSS, HRSS))

    def _unit(self, kind: str, _who: str, name: str, _said: dict[str, Any]) -> str:
        case = opening(self.past, name)
        if kind == "handoff.offer" and case is not None and self.chance(60):
            return str(case.body["department"])
        return str(self.one_of(*UNITS))

    def _holder(self, kind: str, _who: str, name: str, _said: dict[str, Any]) -> str:
        if kind == "token.issue":
            return WINDOW
        if not kind.startswith("handoff."):
            return "officer"
        holder = custody(self.past, name).holder
        return holder[:6] if holder is not None and self.fits(95) else SICHUAN

    def _before(self, _kind: str, _who: str, name: str, _said: dict[str, Any]) -> str:
        told = self.past.of(name)
        return told[-1].region if told else SICHUAN

    def _officer(self, _kind: str, who: str, *_of: Any) -> str:
        same = [it for it in CAST[:11] if it[:6] == who[:6]]
        return str(self.one_of(*same) if self.chance(90) else self.one_of(*CAST[:11]))

    _deputy = _officer

    def _items(self, *_of: Any) -> list[str]:
        return [ITEM.split("/")[2]]

    def _procedures(self, *_of: Any) -> list[str]:
        return ["hearing"]

    def _procedure(self, *_of: Any) -> str:
        return "hearing" if self.fits(90) else "coffee"

    def _off(self, *_of: Any) -> list[str]:
        return []

    _on = _off

    def _purpose(self, kind: str, *_of: Any) -> str:
        choices = KINDS[kind].fields["purpose"].choices
        if choices:
            return str(self.one_of(*choices))
        return "filing" if self.fits(90) else "loan"

    def _delegate(self, _kind: str, who: str, *_of: Any) -> str:
        return self.past.unit(who) if self.chance(80) else str(self.one_of(*UNITS))

    def _fee_fen(self, *_of: Any) -> int:
        return 0 if self.fits(80) else 100

    def _share(self, *_of: Any) -> int:
        return int(self.one_of(30, 100, 101))

    def _started(self, *_of: Any) -> int:
        return self.now_s

    def _ended(self, *_of: Any) -> int:
        return self.now_s + int(self.one_of(0, 5, 5, -1_000_000))

    def _count(self, *_of: Any) -> int:
        return int(self.one_of(1, 5))

    def _target(self, *_of: Any) -> int:
        return int(self.one_of(1, 5))

    def _decided_in(self, *_of: Any) -> str:
        return TIBET if self.fits(90) else SICHUAN

    def _blank(self, *_of: Any) -> str:
        return f"B-{self.random.randrange(12):04}"

    def _first(self, *_of: Any) -> str:
        return "B-0001"

    def _last(self, *_of: Any) -> str:
        return "B-0009"

    def _left(self, *_of: Any) -> int:
        return int(self.one_of(0, 7, 8, 9))

    def _parties(self, _kind: str, who: str, *_of: Any) -> list[str]:
        return sorted({self.past.unit(who) if self.fits(90) else HRSS, self.one_of(*UNITS)})

    def _key_version(self, *_of: Any) -> int:
        return 1

    def _keepers(self, *_of: Any) -> list[str]:
        return sorted({HEAD, DECIDER}) if self.fits(90) else []

    def _approvers(self, *_of: Any) -> list[str]:
        return [HEAD]

    def _owner(self, *_of: Any) -> str:
        return HRSS if self.fits(90) else HRSS_SC

    def _uses_max(self, *_of: Any) -> int:
        return int(self.one_of(1, 2, 2))

    def _seal(self, *_of: Any) -> str:
        return self.object_of("seal")

    _successor = _seal

    def _index(self, _kind: str, who: str, name: str, _said: dict[str, Any]) -> int:
        made = [it.index for it in self.past.acts if (it.name, it.region) == (name, who[:6])]
        return self.one_of(*made) if made and self.fits(90) else self.one_of(0, 5)


_SELDOM: Final = 2
_ONE_IS_LIKE_ANOTHER: Final = frozenset(
    names("reason remark title evidence matter document_number address telephone hours cause")
)
"""Fields that no rule looks at."""
_STOPS: Final = frozenset({"party.suspend", "party.retire", "item.withdraw"})
_FIRST: Final = frozenset(
    names(
        "review.form identity.check contact.first channel.choose share.use paper.ask vault.put"
        " vault.share vault.shred vault.keep responsible.assign oversight.assign exception.apply"
        " public-service.include claim.make agent.engage procedure.start payment.record"
        " video.start device.enrol device.session tolerance.accept assist.consent consent.give"
        " challenge.raise proposal.submit agreement.propose recognition.propose part.ask"
        " commitment.make parcel.send certificate.issue push.send credit.push counts.tell"
        " data.request evaluation.rate supervision.notice incident.report grievance.file"
        " task.assign milestone.set issue.raise party.enrol grant.offer case.open branch.open"
        " token.issue seal.request seal.issue seal.lend seal.ask vault.key blanks.receive"
        " bulletin.publish assessment.publish"
    )
)
_VERSIONED: Final = (".publish", ".attest", ".appoint")
_AGAIN: Final = frozenset(
    names("responsible.assign oversight.assign seal.approve seal.refuse seal.use")
)
"""Which may be on something that is there, or begin it."""
_FIRSTS: Final = (".record", ".open")
_BESIDE: Final = frozenset(
    names(
        "review.form identity.check share.use paper.ask tolerance.accept commitment.make"
        " print.record"
    )
)
_OFTEN: Final = {
    "tolerable": 90,
    "quota": 10,
    "basis": 15,
    "training": 10,
    "approvers": 60,
    "uses_max": 20,
    "deputy": 30,
    "tombstone": 40,
    "stock": 60,
    "received": 50,
    "visit": 40,
    "challenge": 20,
    "seal_use": 0,
    "to": 50,
}
"""How often an optional field is filled, in per cent; the rest are left out."""
