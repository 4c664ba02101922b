"""The region's seals: their keys, sealed under the key store's secret, and what each has signed.

No key leaves this module. ``SealStore.sign`` lends both keys of a seal for one paper: each signs
once, the seal's key only what holds the digest that was announced, and neither signs again before
the use is on the ledger. So signatures and recorded uses are counted against each other.

A store can make seals for trials: a root of its own, certificates, and the electronic seal, all of
which say that they are for trials. A production site brings its seals from a licensed maker, with
its keys in a device behind ``seals.sm2.SigningKey``.
"""

import base64
import textwrap
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ledger import encoding
from ledger.errors import MalformedError, NotFoundError, RefusedError, UnavailableError
from ledger.names import check_object
from nodes.adapters.held_seals import Brought, HeldSeal, Journal, PaperKey, Pending, SealKey
from nodes.adapters.keystore import KeyStore
from nodes.adapters.random import randomness
from nodes.adapters.sm2 import Provider, StoredKey, open_sm2
from nodes.adapters.trial_certificates import TRIAL, YEAR_S, new_serial, paper_certificate
from nodes.files import sync_folder, write_durably
from seals.authority import Profile, issue, issue_list, issue_root
from seals.certificate import decode_certificate
from seals.report import Outcome, Report, Verdict
from seals.revocation import decode_revocation_list
from seals.ses import Picture
from seals.signing import make_seal
from seals.sm2 import SigningKey
from seals.trust import Trust
from seals.verify import verify_signer

LIST_S: Final = 30 * 86_400
"""How long a revocation list of our own speaks; a new one is made when half of that is over."""
FILE_BYTES_MAX: Final = 1 << 20

_AUTHORITY: Final = "authority"
_SEAL: Final = "seal.esl"
_SM2_KEY, _SM2_CERTIFICATE = "seal.p8", "seal.cer"
_PAPER_KEY, _PAPER_CERTIFICATE = "paper.p8", "paper.cer"
_LIST: Final = "seal.crl"
_TRUST: Final = "trust.cbor"
_DEVICE: Final = "device"
_JOURNAL: Final = "signatures.cbor"

T = TypeVar("T")


class SealStore:
    """The seals of one key store. Safe for threads.

    Args:
        store: Where the keys lie, and what opens them.
        device: Opens the key of a seal that lies in a device, by its label there; None where the
            node has no device.
    """

    def __init__(self, store: KeyStore, device: Callable[[str], SigningKey] | None = None) -> None:
        self._store = store
        self._device = device
        self._folder = store.folder / "seals"
        self._lock = threading.Lock()
        # Opening one takes 50 ms, on purpose; like role keys they stay open in memory.
        self._opened: dict[Path, StoredKey | ec.EllipticCurvePrivateKey] = {}

    @cached_property
    def sm2(self) -> Provider:
        """The provider; loaded at first use, since most nodes' first act is no seal's."""
        return open_sm2()

    def load(self, seal: str) -> HeldSeal:
        """Return what is known of a seal.

        Raises:
            NotFoundError: ``no-seal-key``: it is not held here.
        """
        home = self._home(seal)
        if not (home / _SEAL).is_file():
            raise NotFoundError(f"the keys of {seal} are not held here", code="no-seal-key")
        brought = self._brought(seal)
        paper = home / _PAPER_CERTIFICATE
        return HeldSeal(
            seal=_read(home / _SEAL),
            certificate=_read(home / _SM2_CERTIFICATE),
            paper_certificate=_read(paper) if paper.is_file() else b"",
            paper_chain=(_read(self._folder / _AUTHORITY / _PAPER_CERTIFICATE),)
            if brought is None
            else brought.paper_chain,
        )

    def held(self) -> list[str]:
        """Return the names of all seals whose keys are held here."""
        if not self._folder.is_dir():
            return []
        names = [path.parent.name for path in self._folder.glob(f"*/{_SEAL}")]
        return sorted("/".join(name.split(".", 2)) for name in names)

    def unrecorded(self) -> set[bytes]:
        """Return the drafts of all papers that were sealed and whose use is not recorded yet."""
        pending = [self.journal(seal).pending for seal in self.held()]
        drafts = [it.body["draft"] for it in pending if it is not None]
        return {it for it in drafts if isinstance(it, bytes)}

    def journal(self, seal: str) -> Journal:
        """Return how often a seal has signed.

        Raises:
            MalformedError: ``bad-keystore``: the file was altered.
        """
        path = self._home(seal) / _JOURNAL
        if not path.is_file():
            return Journal()
        match encoding.decode(_read(path)):
            case [int(count), None]:
                return Journal(signatures=count)
            case [int(count), [str(subject), str(officer), dict(body)]]:
                pending = Pending(subject=subject, officer=officer, body=body)
                return Journal(signatures=count, pending=pending)
            case _:
                raise MalformedError(f"{path} counts no signatures", code="bad-keystore")

    def sign(
        self, seal: str, pending: Pending, work: Callable[[HeldSeal, SealKey, PaperKey], bytes]
    ) -> bytes:
        """Lend a seal's keys to ``work`` for one paper, and return the finished file.

        What is to be recorded is on disk before a key signs; so is that it signed, after a crash.

        Args:
            seal: Which.
            pending: The use to be recorded; its ``draft`` is the digest that may be signed.
            work: Makes the file.

        Raises:
            UnavailableError: ``seal-unrecorded``: an earlier use is not on the ledger yet.
        """
        held = self.load(seal)
        with self._lock:
            journal = self.journal(seal)
            if journal.pending is not None:
                raise UnavailableError(
                    f"{journal.pending.subject} is not recorded yet", code="seal-unrecorded"
                )
            draft = pending.body["draft"]
            assert isinstance(draft, bytes)
            key = SealKey(self._signing_key(seal), draft)
            paper_key = PaperKey(
                self._load_paper(f"{seal} paper", self._home(seal) / _PAPER_KEY)
                if held.paper_certificate
                else None,
                held.paper_certificate,
                held.paper_chain,
            )
            begun = Journal(signatures=journal.signatures + 1, pending=pending)
            self._write(seal, begun)
            try:
                file = work(held, key, paper_key)
            finally:
                key.end()
                paper_key.end()
                if not key.signed and not paper_key.signed:
                    self._write(seal, journal)
            if not key.signed:
                raise RefusedError("nothing was signed", code="seal-key-bound")
            body = pending.body | {"document": sha256(file).digest()}
            done = Pending(subject=pending.subject, officer=pending.officer, body=body)
            self._write(seal, Journal(signatures=begun.signatures, pending=done))
            return file

    def recorded(self, seal: str, subject: str) -> None:
        """Note that the pending use is on the ledger."""
        with self._lock:
            journal = self.journal(seal)
            if journal.pending is not None and journal.pending.subject == subject:
                self._write(seal, Journal(signatures=journal.signatures))

    # ---- whom to believe ------------------------------------------------------------------------

    def check_signer(self, seal: str, at_s: int) -> None:
        """Check all that both standards ask for before a seal signs.

        The seal itself, its maker and its signer: chains, terms, usage, revocation, and that the
        seal names the signer. What cannot be checked is no reason to sign.

        Raises:
            RefusedError: The code of the first step that failed, or ``seal-unproven``.
        """
        held, brought = self.load(seal), self._brought(seal)
        trust = self._own_trust() if brought is None else brought.trust()
        report = verify_signer(held.seal, held.certificate, sm2=self.sm2, trust=trust, at_s=at_s)
        refuse_unless_valid(report)

    def publish(self, stopped: Mapping[str, int], now_s: int) -> bool:
        """Put the certificates of stopped seals on the revocation list, and take others off.

        Args:
            stopped: Since when each seal of ours may not be used.
            now_s: The date of the list.

        Returns:
            Whether a new list was made; none is while the old one says the same and is not old.
        """
        path = self._folder / _AUTHORITY / _LIST
        with self._lock:
            if not path.is_file():
                return False
            root = _read(self._folder / _AUTHORITY / _SM2_CERTIFICATE)
            revoked = {}
            for seal, since_s in stopped.items():
                home = self._home(seal)
                if (home / _SEAL).is_file() and not (home / _TRUST).is_file():
                    serial = decode_certificate(_read(home / _SM2_CERTIFICATE)).serial
                    revoked[serial] = since_s
            now = decode_revocation_list(_read(path))
            if now.revoked == revoked and now_s < now.next_s - LIST_S // 2:
                return False
            made = issue_list(
                issuer=root,
                issuer_key=self._load_sm2(_AUTHORITY),
                this_s=now_s,
                next_s=now_s + LIST_S,
                revoked=revoked,
                number=now_s,
            )
            write_durably(path, made)
            return True

    def trust(self) -> bytes:
        """Return the roots, links and revocation lists of all seals held here, as PEM."""
        home = self._folder / _AUTHORITY
        found: list[bytes] = []
        if (home / _LIST).is_file():
            found += [
                _pem("CERTIFICATE", _read(home / _SM2_CERTIFICATE)),
                _pem("CERTIFICATE", _read(home / _PAPER_CERTIFICATE)),
                _pem("X509 CRL", _read(home / _LIST)),
            ]
        for seal in self.held():
            brought = self._brought(seal)
            if brought is not None:
                certificates = (*brought.anchors, *brought.others, *brought.paper_chain)
                found += [_pem("CERTIFICATE", it) for it in certificates]
                found += [_pem("X509 CRL", it) for it in brought.lists]
        return b"".join(dict.fromkeys(found))

    def _own_trust(self) -> Trust:
        home = self._folder / _AUTHORITY
        return Trust.of(anchors=[_read(home / _SM2_CERTIFICATE)], lists=[_read(home / _LIST)])

    def _brought(self, seal: str) -> Brought | None:
        """Return whom to believe about a seal that was brought; None for one made here."""
        path = self._home(seal) / _TRUST
        if not path.is_file():
            return None
        match encoding.decode(_read(path)):
            case [list(anchors), list(others), list(lists), list(chain)]:
                return Brought(
                    anchors=tuple(anchors),
                    others=tuple(others),
                    lists=tuple(lists),
                    paper_chain=tuple(chain),
                )
            case _:
                raise MalformedError(f"{path} names nobody", code="bad-keystore")

    # ---- seals of others ------------------------------------------------------------------------

    def bring(
        self,
        seal: str,
        *,
        esl: bytes,
        certificate: bytes,
        brought: Brought,
        key: StoredKey | str,
        paper: tuple[ec.EllipticCurvePrivateKey, bytes] | None,
        at_s: int,
    ) -> None:
        """Take in a seal that a licensed maker made, with its keys.

        Brought again with newer lists or links, those take the place of the older ones; the seal
        and its keys stay.

        Args:
            seal: Its name on the ledger.
            esl: DER SESeal, as its maker gave it out.
            certificate: Of the key that signs with it.
            brought: Whom to believe.
            key: The key, or its label in the node's device.
            paper: Key and certificate for PDF files; None for a seal that seals OFD alone.
            at_s: As seen at this time.

        Raises:
            RefusedError: As ``check_signer``; ``key-differs``; ``exists``: another seal or
                certificate has the name.
        """
        trust = brought.trust()
        refuse_unless_valid(verify_signer(esl, certificate, sm2=self.sm2, trust=trust, at_s=at_s))
        public = (self._from_device(key) if isinstance(key, str) else key).public
        if decode_certificate(certificate).public != public:
            raise RefusedError("the key is not the certificate's", code="key-differs")
        home = self._home(seal)
        files = {_TRUST: _encode_brought(brought)}
        if paper is not None:
            paper_key, paper_certificate = paper
            _check_pair(paper_key, paper_certificate)
            held = HeldSeal(
                seal=esl,
                certificate=certificate,
                paper_certificate=paper_certificate,
                paper_chain=brought.paper_chain,
            )
            held.check_paper(at_s)
            secret = self._store.passphrase(f"{seal} paper")
            files[_PAPER_KEY] = _encrypted(paper_key, secret)
            files[_PAPER_CERTIFICATE] = paper_certificate
        with self._lock:
            if (home / _SEAL).exists():
                there = (_read(home / _SEAL), _read(home / _SM2_CERTIFICATE))
                if there != (esl, certificate) or not (home / _TRUST).is_file():
                    raise RefusedError(f"the keys of {seal} are held already", code="exists")
            else:
                if isinstance(key, str):
                    files[_DEVICE] = key.encode()
                else:
                    files[_SM2_KEY] = key.encrypted(self._store.passphrase(seal), randomness)
                files[_SM2_CERTIFICATE] = certificate
                files[_SEAL] = esl  # the last: with it the seal is there
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file, data in files.items():
                write_durably(home / file, data)
            self._opened.pop(home / _PAPER_KEY, None)
            sync_folder(self._folder)

    def _signing_key(self, seal: str) -> SigningKey:
        path = self._home(seal) / _DEVICE
        return self._from_device(_read(path).decode()) if path.is_file() else self._load_sm2(seal)

    def _from_device(self, label: str) -> SigningKey:
        if self._device is None:
            raise UnavailableError("this node has no device for keys", code="no-device")
        return self._device(label)

    # ---- trials ---------------------------------------------------------------------------------

    def make_trial(self, seal: str, *, name: str, code: str, picture: bytes, now_s: int) -> None:
        """Make keys, certificates and the electronic seal of a seal, for trials.

        Raises:
            RefusedError: ``exists``: its keys are held already.
        """
        home = self._home(seal)
        with self._lock:
            if (home / _SEAL).exists():
                raise RefusedError(f"the keys of {seal} are held already", code="exists")
            self._make_authority(now_s)
            authority = self._folder / _AUTHORITY
            root_key = self._load_sm2(_AUTHORITY)
            root = _read(authority / _SM2_CERTIFICATE)
            maker_key, key = self.sm2.generate(randomness), self.sm2.generate(randomness)
            from_s, until_s = now_s - 60, now_s + YEAR_S
            maker, signer = (
                issue(
                    issuer=root,
                    issuer_key=root_key,
                    name=whose,
                    organisation=TRIAL,
                    public=one.public,
                    serial=new_serial(),
                    profile=Profile.SEAL,
                    from_s=from_s,
                    until_s=until_s,
                )
                for whose, one in (("试验制章人", maker_key), (name, key))
            )
            made = make_seal(
                seal_id=code,
                name=name,
                vendor="shouxin-trial",
                kind=1,
                picture=Picture("PNG", picture, 42, 42),
                certificates=[signer],
                made_s=from_s,
                maker_certificate=maker,
                maker_key=maker_key,
                from_s=from_s,
                until_s=until_s,
            )
            paper_root = self._load_paper(_AUTHORITY, authority / _PAPER_KEY)
            paper_key = ec.generate_private_key(ec.SECP256R1())
            home.mkdir(mode=0o700, exist_ok=True)
            secret = self._store.passphrase(f"{seal} paper")
            files = {
                _SM2_KEY: key.encrypted(self._store.passphrase(seal), randomness),
                _SM2_CERTIFICATE: signer,
                _PAPER_KEY: _encrypted(paper_key, secret),
                _PAPER_CERTIFICATE: paper_certificate(
                    name, paper_key.public_key(), f"{TRIAL}：文件根", paper_root, now_s
                ),
                _SEAL: made,  # the last: with it the seal is there
            }
            for file, data in files.items():
                write_durably(home / file, data)
            sync_folder(self._folder)

    def _make_authority(self, now_s: int) -> None:
        home = self._folder / _AUTHORITY
        if (home / _LIST).exists():
            return
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        root_key = self.sm2.generate(randomness)
        name = f"{TRIAL}：印章根"
        term = {"from_s": now_s - 60, "until_s": now_s + 5 * YEAR_S}
        root = issue_root(name, key=root_key, serial=new_serial(), **term)
        paper_key = ec.generate_private_key(ec.SECP256R1())
        name = f"{TRIAL}：文件根"
        files = {
            _SM2_KEY: root_key.encrypted(self._store.passphrase(_AUTHORITY), randomness),
            _SM2_CERTIFICATE: root,
            _PAPER_KEY: _encrypted(paper_key, self._store.passphrase(_AUTHORITY)),
            _PAPER_CERTIFICATE: paper_certificate(
                name, paper_key.public_key(), name, paper_key, now_s, is_root=True
            ),
            _LIST: issue_list(
                issuer=root,
                issuer_key=root_key,
                this_s=now_s - 60,
                next_s=now_s + LIST_S,
                revoked={},
            ),
        }
        for file, data in files.items():
            write_durably(home / file, data)

    # ---- files ----------------------------------------------------------------------------------

    def _home(self, seal: str) -> Path:
        check_object(seal)
        if seal.split("/")[1] != "seal":
            raise MalformedError(f"not the name of a seal: {seal[:80]!r}", code="bad-field")
        return self._folder / seal.replace("/", ".")

    def _load_sm2(self, name: str) -> StoredKey:
        home = self._folder / _AUTHORITY if name == _AUTHORITY else self._home(name)
        path = home / _SM2_KEY
        found = self._opened.get(path)
        if found is None or isinstance(found, ec.EllipticCurvePrivateKey):
            found = self.sm2.load(_read(path), self._store.passphrase(name))
            self._opened[path] = found
        return found

    def _load_paper(self, name: str, path: Path) -> ec.EllipticCurvePrivateKey:
        found = self._opened.get(path)
        if isinstance(found, ec.EllipticCurvePrivateKey):
            return found
        try:
            key = serialization.load_der_private_key(_read(path), self._store.passphrase(name))
        except (ValueError, TypeError) as error:
            raise MalformedError(f"{path} does not open", code="bad-keystore") from error
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._opened[path] = key
        return key

    def _write(self, seal: str, journal: Journal) -> None:
        it = journal.pending
        pending = None if it is None else [it.subject, it.officer, it.body]
        data = encoding.encode([journal.signatures, pending])
        write_durably(self._home(seal) / _JOURNAL, data)


def refuse_unless_valid(report: Report) -> None:
    """Refuse what a report does not prove.

    Raises:
        RefusedError: The code of the first step that failed, or ``seal-unproven``.
    """
    for outcome in (Outcome.FAILED, Outcome.UNCHECKED):
        for step in report.steps:
            if step.outcome is outcome:
                code = step.code if outcome is Outcome.FAILED else "seal-unproven"
                raise RefusedError(f"{step.name}: {step.code}: {step.detail}", code=code)
    assert report.verdict is Verdict.VALID


def _encode_brought(brought: Brought) -> bytes:
    parts = (brought.anchors, brought.others, brought.lists, brought.paper_chain)
    return encoding.encode([list(part) for part in parts])


def _check_pair(key: ec.EllipticCurvePrivateKey, certificate: bytes) -> None:
    try:
        public = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise MalformedError("not a certificate for PDF files", code="bad-field") from error
    if public != key.public_key():
        raise RefusedError("the key for PDF files is not its certificate's", code="key-differs")


def _read(path: Path) -> bytes:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise MalformedError(f"{path} is larger than a seal's file", code="bad-keystore")
    return path.read_bytes()


def _pem(label: str, data: bytes) -> bytes:
    body = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def _encrypted(key: ec.EllipticCurvePrivateKey, secret: bytes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret),
    )
