"""A region's node, as other systems use it: typed calls, patient retries, nothing lost too soon."""

from nodes.client.acts import Acted, Acts, Fate, Word
from nodes.client.operations import Operations
from nodes.client.papers import Papers
from nodes.client.questions import CheckAnswer
from nodes.client.wire import Patience

__all__ = [
    "Acted",
    "CheckAnswer",
    "Client",
    "Fate",
    "Patience",
    "Word",
]


class Client(Acts, Operations, Papers):
    """Calls to one node. Use it as an asynchronous context manager.

    Takes what ``Acts`` takes.
    """
