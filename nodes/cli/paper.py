"""``shouxin paper`` and ``shouxin seal make``: sealed papers of a case, and seals for trials."""

import argparse
import hashlib
import json
from importlib import import_module
from typing import Any

from ledger.bundle_file import Bundle
from ledger.errors import LedgerError, MalformedError
from nodes.cli.caller import ask
from nodes.cli.show import print_json
from nodes.client import Client
from nodes.files import save

FIELDS = ("applicant", "telephone", "result", "reasons", "basis", "delivery", "loan")


def paper(given: argparse.Namespace) -> int:
    """Have a paper drawn and sealed, and keep it; say what is to be approved where that is asked.

    Asked with ``--draft``, it seals a draft that was approved; with ``--show`` too, it only shows
    the draft, unsealed.
    """
    if given.show and not given.draft:
        raise MalformedError("--show shows a --draft", code="bad-field")

    async def question(client: Client) -> dict[str, Any]:
        if given.show:
            return {"file": await client.show_draft(_digest(given.draft)), "draft": given.draft}
        if given.draft:
            return await client.seal_paper(_digest(given.draft))
        return await client.draw_paper(_fields(given))

    answer = ask(given, question)
    file = answer.pop("file", None)
    if file is not None:
        save(given.output, file)
    print_json(answer)
    return 0


def _fields(given: argparse.Namespace) -> dict[str, Any]:
    if not given.seal or not given.officer:
        raise MalformedError("a paper names --seal and --officer", code="bad-field")
    fields = {
        "case": given.case,
        "kind": given.kind,
        "format": given.format,
        "seal": given.seal,
        "officer": given.officer,
    }
    fields |= {name: getattr(given, name) for name in FIELDS if getattr(given, name) is not None}
    if given.materials is not None:
        try:
            fields["materials"] = json.loads(given.materials.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise MalformedError(
                f"{given.materials} holds no JSON: {error}", code="bad-field"
            ) from error
    return fields


def _digest(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError("a draft is named in hexadecimal", code="bad-field") from error


def make(given: argparse.Namespace) -> int:
    """Have the node make a seal for trials, and print what ``seal.issue`` asks for."""

    async def question(client: Client) -> tuple[dict[str, Any], bytes]:
        return await client.make_seal(given.seal, given.name), await client.seal_trust()

    answer, trust = ask(given, question)
    if given.trust is not None:
        save(given.trust, trust)
    print_json(answer)
    return 0


def find_use(given: argparse.Namespace, data: bytes) -> dict[str, Any] | None:
    """Return the use of a seal that the ledger has for a file; None where it has none.

    The file's evidence names its case, and the case leads to its seal uses; the one that names
    this very file is its record.
    """
    bundle = evidence(data)
    if bundle is None:
        return None
    case = Bundle.decode(bundle).subject
    digest = hashlib.sha256(data).hexdigest()

    async def question(client: Client) -> dict[str, Any] | None:
        for line in (await client.case(case))["lines"]:
            if line["kind"] != "seal.use":
                continue
            for fact in (await client.object(line["subject"]))["facts"]:
                state = fact["state"]
                if state["st"] == "used" and state["doc"] == digest:
                    return {
                        "origin": fact["origin"],
                        "index": fact["index"],
                        "subject": line["subject"],
                        "seal": state["seal"],
                        "case": state["case"],
                        "officer": state["by"],
                        "finality": line["finality"],
                        "findings": line["findings"],
                    }
        return None

    return ask(given, question)


def evidence(data: bytes) -> bytes | None:
    """Return the evidence bundle that a PDF or OFD carries; None where it carries none."""
    module = "seals.pdf" if data.startswith(b"%PDF-") else "seals.ofd"
    if not data.startswith((b"%PDF-", b"PK\x03\x04")):
        return None
    try:
        found: bytes | None = import_module(module).read(data).evidence
    except LedgerError:
        return None
    return found
