import pytest

from tests.authz.refusals import refused
from tests.authz.world import CLERK, ENROLLED, HEAD_SC, SICHUAN, UNTIL_S

GIVEN = "510000/token/0123456789abcdef"
BODY = {"holder": CLERK, "role": "window", "expires": UNTIL_S}


def test_a_token_lives_from_its_issue_to_its_end_and_never_again() -> None:
    world = ENROLLED.copy()
    with refused("unknown-object"):
        world.do("token.revoke", SICHUAN, GIVEN, {})
    world.do("token.issue", SICHUAN, GIVEN, BODY)
    assert world.state(SICHUAN, GIVEN) == {"live": True, **BODY}
    with refused("exists"):
        world.do("token.issue", SICHUAN, GIVEN, BODY)
    world.do("token.revoke", SICHUAN, GIVEN, {})
    assert world.state(SICHUAN, GIVEN)["live"] is False
    with refused("wrong-state"):
        world.do("token.revoke", SICHUAN, GIVEN, {})
    with refused("exists"):
        world.do("token.issue", SICHUAN, GIVEN, BODY)


@pytest.mark.parametrize("kind", ["token.issue", "token.revoke"])
def test_only_the_region_itself_gives_and_ends_its_tokens(kind: str) -> None:
    world = ENROLLED.copy()
    world.do("token.issue", SICHUAN, GIVEN, BODY)
    body = BODY if kind == "token.issue" else {}
    with refused("not-entitled"):
        world.do(kind, HEAD_SC, GIVEN, body)
    with refused("not-competent"):
        world.do(kind, SICHUAN, "540000/token/0123456789abcdef", body)
