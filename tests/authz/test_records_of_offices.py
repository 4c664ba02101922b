"""Records of offices: items and their changes, agreements, people, devices, figures and money."""

from tests.authz.bodies import (
    AGREEMENT,
    AGREEMENT_BODY,
    CONTACT,
    DUE_S,
    EVIDENCE,
    HASH,
    OTHER,
    PROPOSAL,
    REACHED,
    WHY,
)
from tests.authz.refusals import refused
from tests.authz.world import (
    CASE,
    CHIEF,
    CHONGQING,
    CLERK,
    CLERK_2,
    CLERK_CQ,
    ENROLLED,
    HALL,
    HEAD,
    HEAD_SC,
    HEALTH,
    HRSS,
    HRSS_SC,
    ITEM,
    ITEM_BODY,
    LENT,
    OPENED,
    OUTSIDER,
    SICHUAN,
    TIBET,
    UNTIL_S,
    WINDOW,
    WINDOW_2,
    WINDOW_CQ,
)

# ---- 45 changes of items, 50 agreements ----------------------------------------------------


def test_a_change_is_published_only_once_the_province_has_confirmed_it() -> None:
    # The world has provinces only; Sichuan stands for its own county, city and province.
    world = ENROLLED.copy()
    submit = {
        "code": "000500000001",
        "change": "alter",
        "digest": HASH,
        **WHY,
        "to": HALL,
        "due": DUE_S,
    }
    passed = {"before": SICHUAN, "verdict": "passed"}
    publish = {"before": SICHUAN, "digest": HASH}
    world.do("proposal.submit", HEAD_SC, PROPOSAL, submit)
    with refused("wrong-state"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    with refused("wrong-state"):
        world.do("proposal.confirm", CHIEF, PROPOSAL, passed)
    with refused("bad-field"):
        world.do("proposal.review", CHIEF, PROPOSAL, passed)
    with refused("bad-field"):
        world.do(
            "proposal.review",
            CHIEF,
            PROPOSAL,
            {"before": SICHUAN, "verdict": "returned", "to": HALL},
        )
    world.do("proposal.review", CHIEF, PROPOSAL, {**passed, "to": SICHUAN})
    with refused("wrong-state"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    world.do("proposal.confirm", SICHUAN, PROPOSAL, passed)
    with refused("wrong-document"):
        world.do("proposal.publish", HEAD_SC, PROPOSAL, publish | {"digest": OTHER})
    world.do("proposal.publish", HEAD_SC, PROPOSAL, publish)
    assert world.state(SICHUAN, PROPOSAL)["st"] == "published"


def test_a_change_goes_through_three_logs_and_the_last_word_is_the_province_s() -> None:
    world = ENROLLED.copy()
    submit = {
        "code": "000500000001",
        "change": "add",
        "digest": HASH,
        **WHY,
        "to": TIBET,
        "due": DUE_S,
    }
    world.do("proposal.submit", HEAD_SC, PROPOSAL, submit)
    passed = {"before": SICHUAN, "verdict": "passed"}
    with refused("not-addressee"):
        world.do("proposal.review", CHONGQING, PROPOSAL, passed | {"to": CHONGQING})
    world.do("proposal.review", TIBET, PROPOSAL, passed | {"to": CHONGQING})
    with refused("not-addressee"):  # it looks into the wrong log for the step before
        world.do("proposal.confirm", CHONGQING, PROPOSAL, passed)
    with refused("not-competent"):
        world.do("proposal.confirm", CHONGQING, PROPOSAL, passed | {"before": TIBET})


def test_an_agreement_is_one_text_that_both_sides_sign() -> None:
    world = ENROLLED.copy()
    with refused("wrong-state"):
        world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY | {"to": HRSS_SC})
    with refused("bad-field"):
        world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY | {"valid_until": 1})
    world.do("agreement.propose", CHIEF, AGREEMENT, AGREEMENT_BODY)
    with refused("not-addressee"):
        world.do("agreement.sign", CHIEF, AGREEMENT, {"digest": HASH})
    with refused("wrong-document"):
        world.do("agreement.sign", HEAD, AGREEMENT, {"digest": OTHER})
    with refused("wrong-state"):
        world.do("agreement.end", CHIEF, AGREEMENT, WHY)
    world.do("agreement.sign", HEAD, AGREEMENT, {"digest": HASH})
    with refused("not-entitled"):
        world.do("agreement.end", CLERK_CQ, AGREEMENT, WHY)
    world.do("agreement.end", HEAD_SC, AGREEMENT, WHY)
    assert not world.state(SICHUAN, AGREEMENT)["live"]


def test_a_seal_that_an_agreement_names_was_put_to_this_text() -> None:
    world = ENROLLED.copy()
    world.do(
        "seal.issue",
        SICHUAN,
        "510000/seal/hrss-01",
        {
            "name": "专用章",
            "owner": HRSS_SC,
            "keepers": [HEAD_SC],
            "approval": False,
            "certificate": HASH,
            "valid_from": 1,
            "valid_until": UNTIL_S,
        },
    )
    use = {"seal": "510000/seal/hrss-01", "document": HASH, "case": CASE, "purpose": "签约"}
    world.do("seal.use", HEAD_SC, "510000/seal-use/1", use)
    sealed = AGREEMENT_BODY | {"seal_use": "510000/seal-use/1"}
    with refused("wrong-document"):
        world.do("agreement.propose", HEAD_SC, AGREEMENT, sealed | {"digest": OTHER})
    with refused("unknown-object"):
        world.do(
            "agreement.propose", HEAD_SC, AGREEMENT, sealed | {"seal_use": "510000/seal-use/2"}
        )
    world.do("agreement.propose", HEAD_SC, AGREEMENT, sealed)
    with refused("unknown-object"):
        signed = {"digest": HASH, "seal_use": "510000/seal-use/2"}
        world.do("agreement.sign", HEAD, AGREEMENT, signed)


# ---- receipts, figures, devices, money -----------------------------------------------------


def test_a_receipt_is_for_what_was_sent() -> None:
    world = OPENED.copy()
    name = "540000/push/1"
    body = {"what": "approval", "to": SICHUAN, "digest": HASH, "due": DUE_S}
    world.do("push.send", HEAD, name, body)
    with refused("wrong-document"):
        world.do("push.receipt", SICHUAN, name, {"outcome": "accepted", "digest": OTHER})
    world.do("push.receipt", SICHUAN, name, {"outcome": "rejected", "digest": HASH})
    world.do("push.resend", HEAD, name, {"digest": OTHER, "due": DUE_S})
    world.do("push.receipt", SICHUAN, name, {"outcome": "accepted", "digest": OTHER})
    assert not world.state(SICHUAN, name)["live"]


def test_a_parcel_that_arrives_intact_holds_what_was_sent() -> None:
    name = "510000/parcel/1"
    send = {
        "case": CASE,
        "to": HRSS,
        "direction": "papers",
        "tracking": HASH,
        "contents": HASH,
        "due": DUE_S,
    }
    for state, contents, fits in (
        ("intact", HASH, True),
        ("intact", OTHER, False),
        ("damaged", OTHER, True),
    ):
        world = OPENED.copy()
        world.do("parcel.send", CLERK, name, send)
        body = {"state": state, "contents": contents}
        if fits:
            world.do("parcel.receive", HEAD, name, body)
        else:
            with refused("wrong-document"):
                world.do("parcel.receive", HEAD, name, body)


def test_figures_called_equal_are_and_others_are_not() -> None:
    name = "510000/counts/2026-11"
    body = {"to": TIBET, "period": "2026-11", "sent": 5, "received": 3, "digest": HASH}
    for sent, received, outcome, fits in (
        (3, 5, "equal", True),
        (3, 5, "different", False),
        (5, 3, "equal", False),
        (3, 4, "different", True),
    ):
        world = OPENED.copy()
        world.do("counts.tell", SICHUAN, name, body | {"due": DUE_S})
        answer = {"outcome": outcome, "sent": sent, "received": received}
        if fits:
            world.do("counts.answer", TIBET, name, answer)
        else:
            with refused("counts-differ"):
                world.do("counts.answer", TIBET, name, answer)


def test_a_device_serves_by_itself_only_outside_hours_and_only_in_service() -> None:
    world = OPENED.copy()
    device = "510000/device/d1"
    enrol = {
        "window": WINDOW,
        "host": "某银行",
        "certificate": HASH,
        "firmware": HASH,
        "items": ["000500000001"],
    }
    session = {
        "device": device,
        "right": "self-service",
        "outside_hours": True,
        "started": 1,
        "ended": 2,
        "log": HASH,
    }
    world.do("device.enrol", CHIEF, device, enrol)
    with refused("outside-hours"):
        world.do(
            "device.session", SICHUAN, "510000/device-session/1", session | {"right": "intake"}
        )
    with refused("bad-field"):
        world.do(
            "device.session",
            SICHUAN,
            "510000/device-session/1",
            session | {"ended": -1 + session["started"]},
        )
    world.do("device.session", SICHUAN, "510000/device-session/1", session)
    world.do("device.suspend", CHIEF, device, WHY)
    with refused("ground-not-live"):
        world.do("device.session", SICHUAN, "510000/device-session/2", session)


def test_postage_is_paid_by_whom_the_policy_names() -> None:
    world = OPENED.copy()
    policy = "510000/fee-policy/p"
    text = {"version": 1, "title": "办法", "digest": HASH, "bearer": "hall"}
    world.do("fee-policy.publish", CHIEF, policy, text)
    charge = {"case": CASE, "policy": policy, "amount_fen": 1200, "receipt": HASH}
    with refused("wrong-payer"):
        world.do("charge.record", CLERK, "510000/charge/1", charge | {"payer": "applicant"})
    world.do("charge.record", CLERK, "510000/charge/1", charge | {"payer": "hall"})


def test_terms_and_shares_make_sense() -> None:
    world = OPENED.copy()
    text = {"version": 1, "title": "模板", "digest": HASH}
    with refused("bad-field"):
        world.do(
            "template.publish",
            CHIEF,
            "510000/template/t",
            text | {"valid_from": 5, "valid_until": 5},
        )
    with refused("bad-field"):
        world.do(
            "item-list.publish", CHIEF, "510000/item-list/l", text | {"count": 3, "share": 101}
        )
    world.do("item-list.publish", CHIEF, "510000/item-list/l", text | {"count": 3, "share": 100})


# ---- people, items -------------------------------------------------------------------------


def test_a_department_appoints_one_of_its_own_who_is_in_service() -> None:
    world = OPENED.copy()
    name = "510000/representative/hrss"
    body = {
        "version": 1,
        "officer": HEAD_SC,
        "items": ["000500000001"],
        "valid_from": 1,
        "valid_until": UNTIL_S,
    }
    with refused("officer-not-live"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": "510000/officer/no"})
    with refused("officer-not-live"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": WINDOW})
    with refused("not-competent"):
        world.do("representative.appoint", HEAD_SC, name, body | {"officer": CHIEF})
    with refused("outlives-basis"):
        world.do("representative.appoint", HEAD_SC, name, body | {"valid_until": 2})
    world.do("representative.appoint", HEAD_SC, name, body)


def test_a_window_s_row_says_since_when_it_is_reached_as_published() -> None:
    world = ENROLLED.copy()
    world.do("contact.publish", CHIEF, CONTACT, REACHED)
    assert world.state(SICHUAN, WINDOW)["contact"] == [CONTACT, world.now_s]
    with refused("wrong-state"):
        world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 2, "window": WINDOW_2})
    with refused("not-entitled"):
        world.do("contact.publish", HEAD_SC, "510000/contact/2", REACHED)
    with refused("window-not-live"):
        world.do("contact.publish", CHIEF, "510000/contact/2", REACHED | {"window": WINDOW_CQ})
    other = "510000/contact/new"
    world.do("contact.publish", CHIEF, other, REACHED)
    world.do("contact.withdraw", CHIEF, CONTACT, WHY)
    assert world.state(SICHUAN, WINDOW)["contact"] == [other, world.now_s]
    world.do("contact.withdraw", CHIEF, other, WHY)
    assert "contact" not in world.state(SICHUAN, WINDOW)


def test_a_contact_that_was_to_be_confirmed_earlier_is_marked_late() -> None:
    world = ENROLLED.copy()
    world.do("contact.publish", CHIEF, CONTACT, REACHED | {"due": DUE_S})
    world.now_s = DUE_S + 1
    [flag] = world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 2}).flags
    assert flag.code == "late"
    # The new version names no day by which it is to be confirmed, so none is missed.
    assert world.do("contact.publish", CHIEF, CONTACT, REACHED | {"version": 3}).flags == ()


def test_a_new_version_keeps_nothing_that_it_leaves_out() -> None:
    world = ENROLLED.copy()
    listed = {"version": 1, "title": "清单", "digest": HASH, "count": 1, "share": 30}
    name = "540000/item-list/2026"
    world.do("item-list.publish", TIBET, name, listed | {"items": ["000500000001"]})
    world.do("item-list.publish", TIBET, name, listed | {"version": 2})
    assert "items" not in world.state(TIBET, name)


def test_one_record_follows_the_supervision_of_one_item() -> None:
    world = ENROLLED.copy()
    name, body = "540000/oversight/1", {"item": ITEM, "to": HEALTH, "due": DUE_S}
    world.do("oversight.assign", HEAD, name, body)
    world.do("oversight.accept", OUTSIDER, name, {})
    with refused("wrong-state"):
        world.do("oversight.assign", HEAD, name, body | {"item": "540000/item/2"})
    world.do("oversight.assign", HEAD, name, body | {"to": HRSS})


def test_a_hall_speaks_for_its_own_windows() -> None:
    world = OPENED.copy()
    name = "510000/readiness/w3"
    body = {
        "version": 1,
        "window": WINDOW,
        "staff": True,
        "video": True,
        "scan": True,
        "print": False,
        **EVIDENCE,
    }
    with refused("not-entitled"):
        world.do("readiness.attest", HEAD_SC, name, body)
    with refused("window-not-live"):
        world.do("readiness.attest", CHIEF, name, body | {"window": WINDOW_CQ})
    world.do("readiness.attest", CHIEF, name, body)
    world.do("party.suspend", SICHUAN, WINDOW_2, WHY)
    with refused("window-not-live"):
        world.do("readiness.attest", CHIEF, "510000/readiness/w4", body | {"window": WINDOW_2})


def test_a_training_lets_an_officer_act_until_it_ends() -> None:
    world = ENROLLED.copy().lend()
    world.do("item.publish", HEAD, ITEM, ITEM_BODY | {"version": 2, "training": "medical"})
    case = {"item_version": 2}
    with refused("not-entitled"):
        world.copy().open(**case)
    attest = {"course": "medical", **EVIDENCE}
    with refused("not-entitled"):
        world.do("training.attest", CLERK_2, CLERK, attest)
    with refused("not-entitled"):
        world.do("training.attest", CHIEF, CHIEF, attest)
    with refused("officer-not-live"):
        world.do("training.attest", CHIEF, "510000/officer/no", attest)
    with refused("not-competent"):
        world.do("training.attest", CHIEF, HEAD, attest)
    world.do("training.attest", CHIEF, CLERK, attest)
    with refused("exists"):
        world.do("training.attest", CHIEF, CLERK, attest)
    world.copy().open(**case)
    lapse = {"course": "medical", **WHY}
    world.do("training.lapse", CHIEF, CLERK, lapse)
    with refused("wrong-state"):
        world.do("training.lapse", CHIEF, CLERK, lapse)
    with refused("not-entitled"):
        world.open(**case)


def test_a_scenario_asks_for_no_paper_that_its_item_does_not() -> None:
    world = LENT.copy()
    name = "540000/scenario/1"
    body = {
        "version": 1,
        "item": ITEM,
        "item_version": 1,
        "title": "首次备案",
        "materials": ["form"],
    }
    with refused("extra-material"):
        world.do("scenario.publish", HEAD, name, body | {"materials": ["photo"]})
    with refused("unknown-object"):
        world.do("scenario.publish", HEAD, name, body | {"item_version": 9})
    world.do("scenario.publish", HEAD, name, body)


def test_an_item_is_claimed_once_in_a_region() -> None:
    world = ENROLLED.copy()
    claim = {"code": "000500000001", "list": "107项"}
    world.do("claim.make", HEAD, "540000/claim/1", claim)
    with refused("exists"):
        world.do("claim.make", OUTSIDER, "540000/claim/2", claim)
    world.do("claim.release", HEAD, "540000/claim/1", WHY)
    world.do("claim.make", OUTSIDER, "540000/claim/2", claim)
    with refused("exists"):
        world.do("claim.make", HEAD, "540000/claim/3", claim)


def test_what_was_told_is_a_version_that_there_is() -> None:
    world, guide = ENROLLED.copy(), "510000/guide/medical"
    world.do("guide.publish", CHIEF, guide, {"version": 1, "title": "手册", "digest": HASH})
    told = {"guide": guide, "item": ITEM}
    for version in (0, 2):
        with refused("unknown-object"):
            world.do(
                "consultation.record",
                CLERK,
                "510000/consultation/1",
                told | {"guide_version": version},
            )
    world.do("consultation.record", CLERK, "510000/consultation/1", told | {"guide_version": 1})
