"""What the story says, in Chinese and in English; the words themselves lie in ``texts.toml``."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final


def load() -> Mapping[str, tuple[str, str]]:
    """Return each text's two languages, Chinese first, by its name."""
    text = resources.files(__package__).joinpath("texts.toml").read_text("utf-8")
    return {name: (it["zh"], it["en"]) for name, it in tomllib.loads(text).items()}


TEXTS: Final = load()
