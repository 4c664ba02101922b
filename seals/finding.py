"""How seals' own refusals are said to the person at the counter."""

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "seal-not-live": (
        "印章已停用、注销或不在有效期内。",
        "The seal is suspended, lost, revoked or out of its term.",
    ),
    "loan-not-live": (
        "该用印出借已收回、过期，或与所列印章、授权不符。",
        "The loan of this seal's use has ended, or is of another seal or grant.",
    ),
    "second-person": ("此项须由另一人办理。", "This step is a second person's."),
    "use-differs": (
        "与申请用印的文件或办件不符。",
        "Another document or case was asked for.",
    ),
    "use-refused": ("该次用印未获同意。", "This use of the seal was refused."),
    "not-keeper": ("您不是该印章的保管人。", "You are no keeper of this seal."),
    "approval-missing": (
        "该印章须经他人审批后方可使用。",
        "This seal wants a second person's approval for this document and case.",
    ),
}
