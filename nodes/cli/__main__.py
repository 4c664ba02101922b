"""``python -m nodes.cli`` is the command ``shouxin``."""

from nodes.cli.main import run

run()
