"""How seals' own refusals are said to the person at the counter."""

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "seal-not-live": (
        "印章已停用、注销或不在有效期内。",
        "The seal is suspended, revoked or out of its term.",
    ),
    "not-keeper": ("您不是该印章的保管人。", "You are no keeper of this seal."),
    "approval-missing": (
        "该印章须经他人审批后方可使用。",
        "This seal wants a second person's approval for this document and case.",
    ),
}
