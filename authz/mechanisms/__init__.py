"""The eighty mechanisms of the five policy documents, and the kinds and rules that answer each.

A document asks for something in a phrase; here stands by which acts it is recorded, and, where it
asks for more than a record, by which function it is held.
"""

from typing import Final

from authz.mechanisms import cases, grants, items, papers, supervision
from authz.mechanisms.mechanism import Mechanism

MECHANISMS: Final[tuple[Mechanism, ...]] = (
    *grants.MECHANISMS,
    *cases.MECHANISMS,
    *items.MECHANISMS,
    *papers.MECHANISMS,
    *supervision.MECHANISMS,
)
