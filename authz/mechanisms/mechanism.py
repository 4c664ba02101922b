"""What the documents ask for, one thing at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

TIBET: Final = "藏政办发〔2021〕21号"
SHANWEI: Final = "汕尾市推进政务服务“跨城通办”工作方案"
GUIZHOU: Final = "黔府发〔2020〕4号"
XINING: Final = "城中政发〔2023〕6号"
ZAOZHUANG: Final = "市中政办发〔2021〕7号"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One thing that the documents ask for.

    Args:
        phrases: Where they ask for it: the document, and its own words.
        kinds: The kinds of acts that record it.
        rules: The functions that hold it, beyond those of its kinds.
    """

    number: int
    name: str
    phrases: tuple[tuple[str, str], ...]
    kinds: tuple[str, ...]
    rules: tuple[Callable[..., object], ...] = ()
