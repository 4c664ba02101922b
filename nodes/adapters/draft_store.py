"""Papers on their way, on disk: what each is drawn from, and the sealed file once it is made.

A draft is kept as its facts, not as its drawing: laid out again they give the same bytes, and a
digest that says so. The sealed file is written before its use is recorded and before anybody gets
it, so a crash at any point leaves a file that can be fetched, or a key that has not signed. What
lies here names citizens, so it lies beside the database, readable by the node alone, and goes when
it is old.
"""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger import encoding
from ledger.errors import LedgerError, MalformedError
from nodes.files import overwrite, write_durably

if TYPE_CHECKING:
    from seals.documents import Facts, Proof

PAPERS_MAX: Final = 512
PAPERS_BYTES_MAX: Final = 512 << 20
KEPT_S: Final = 14 * 86_400
FILE_BYTES_MAX: Final = 64 << 20

_VERSION: Final = 1
_DRAFT, _FILE = ".draft", ".sealed"
_name = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a paper is drawn from, and the use of a seal that it is.

    Args:
        form: PDF or OFD.
        subject: The object on the ledger that is this one use.
        officer: Who seals.
        grounds: The grant that the case rests on and the loan that it is sealed under, by the
            names of their fields; empty where there are none.
        name: What the seal says.
        code: The seal's number.
    """

    form: str
    subject: str
    officer: str
    seal: str
    case: str
    purpose: str
    grounds: dict[str, str]
    facts: "Facts"
    proof: "Proof"
    name: str
    code: str


class DraftStore:
    """The papers of one node. Only its drawing thread writes here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, digest: bytes, origin: Origin) -> None:
        """Keep a draft."""
        facts = asdict(origin.facts)
        value = [
            _VERSION,
            origin.form,
            origin.subject,
            origin.officer,
            origin.seal,
            origin.case,
            origin.purpose,
            origin.grounds,
            type(origin.facts).__name__,
            facts,
            origin.proof.link,
            origin.proof.bundle,
            origin.name,
            origin.code,
        ]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path(digest, _DRAFT), encoding.encode(value))

    def load(self, digest: bytes) -> Origin | None:
        """Return a draft; None where there is none, or none that can be read."""
        data = self._read(self._path(digest, _DRAFT))
        if data is None:
            return None
        try:
            return _decode(data)
        except (LedgerError, TypeError, ValueError):
            # Of another version of this software, or damaged: it is drawn anew.
            return None

    def save_file(self, digest: bytes, file: bytes) -> None:
        """Keep the sealed file of a draft."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path(digest, _FILE), file)

    def load_file(self, digest: bytes) -> bytes | None:
        """Return the sealed file of a draft; None where it was not sealed."""
        return self._read(self._path(digest, _FILE))

    def digests(self) -> list[bytes]:
        """Return all drafts, the oldest first."""
        return [bytes.fromhex(path.stem) for path in self._drafts()]

    def forget(self, case: str, wanted: Collection[bytes]) -> list[bytes]:
        """Overwrite and delete what there is of a case, but for ``wanted``; say which that was."""
        gone = []
        for path in self._drafts():
            digest = bytes.fromhex(path.stem)
            origin = self.load(digest)
            if origin is not None and origin.case == case and digest not in wanted:
                # The draft last: a file without one would not be found again after a crash.
                overwrite(path.with_suffix(_FILE))
                overwrite(path)
                gone.append(digest)
        return gone

    def prune(self, now_s: int, wanted: Collection[bytes]) -> None:
        """Let go what is old, and the oldest of too many; nothing of ``wanted``."""
        drafts = [path for path in self._drafts() if bytes.fromhex(path.stem) not in wanted]
        sizes = [_size(path) + _size(path.with_suffix(_FILE)) for path in drafts]
        count, total = len(drafts) + len(wanted), sum(sizes)
        for path, size in zip(drafts, sizes, strict=True):
            old = path.stat().st_mtime < now_s - KEPT_S
            if not old and count <= PAPERS_MAX and total <= PAPERS_BYTES_MAX:
                break
            # The draft first: a file without one is not found, and goes at the next turn.
            path.unlink(missing_ok=True)
            path.with_suffix(_FILE).unlink(missing_ok=True)
            count, total = count - 1, total - size

    def _drafts(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        found = [
            path
            for path in self._folder.iterdir()
            if path.suffix == _DRAFT and _name(path.stem) is not None
        ]
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def _path(self, digest: bytes, suffix: str) -> Path:
        return self._folder / f"{digest.hex()}{suffix}"

    def _read(self, path: Path) -> bytes | None:
        if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
            return None
        return path.read_bytes()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _decode(data: bytes) -> Origin:
    from seals import documents  # noqa: PLC0415 - large, and optional

    classes: dict[str, type[Facts]] = {
        it.__name__: it
        for it in (documents.AcceptanceReceipt, documents.OneTimeNotice, documents.CaseResult)
    }
    match encoding.decode(data):
        case [
            1,
            str(form),
            str(subject),
            str(officer),
            str(seal),
            str(case),
            str(purpose),
            dict(grounds),
            str(kind),
            dict(facts),
            str(link),
            bytes(bundle),
            str(name),
            str(code),
        ] if kind in classes:
            given: dict[str, Any] = dict(facts)
            for listed in ("materials", "missing"):
                if listed in given:
                    given[listed] = tuple(documents.Material(**it) for it in given[listed])
            return Origin(
                form=form,
                subject=subject,
                officer=officer,
                seal=seal,
                case=case,
                purpose=purpose,
                grounds=grounds,
                facts=classes[kind](**given),
                proof=documents.Proof(link, bundle),
                name=name,
                code=code,
            )
        case _:
            raise MalformedError("no draft of this version", code="no-draft")
