"""A vault of a roster that names sm2-sm3: papers under SM4, keys of cases under SM2."""

from pathlib import Path

import pytest

from ledger.errors import LedgerError
from ledger.payload import Holder, unwrap_key
from nodes.adapters.sm2_libcrypto import LibcryptoSM2
from nodes.api import vaulting
from nodes.store import vault as store
from tests.nodes.live import live
from tests.nodes.vaults import GIVER, HEAD, PAPER, WHY, Town, furnish


def test_papers_are_sealed_by_sm4_and_their_keys_wrapped_by_sm2(tmp_path: Path) -> None:
    with live(tmp_path / "network", sm2=True) as nodes:
        town = Town(nodes, {})
        furnish(town, GIVER)
        case = town.open("sm2")
        kept = town.put(case)
        service, room, run = nodes.nodes[GIVER].service, town.room(GIVER), nodes.run
        assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER
        told = town.ask(GIVER, "vault")
        assert (told["suite"], told["version"], len(told["key"])) == ("sm2-sm3", 1, 130)
        row = run(room.run(store.load_payload, kept["paper"]))
        key = run(room.run(room.payload_key, row))
        assert (key.cipher, len(key.secret)) == ("sm4-gcm", 16)
        # What another region is given opens with its SM2 key, and is told of in the ledger.
        theirs = LibcryptoSM2().generate(lambda size: b"\x05" * size)
        holder = Holder(region="500000", suite="sm2-sm3", version=1)
        with pytest.raises(LedgerError, match="no such region"):
            run(vaulting.share(service, row, holder, theirs.public))
        wrapped = run(room.run(store.load_share, case, 1, holder)).wrapped
        assert unwrap_key(wrapped, theirs, case=case, region=GIVER, holder=holder) == key
        done = town.ask(GIVER, "rotate_vault")
        assert (done["version"], done["rewrapped"]) == (2, 1)
        roles = room.keys.store.folder / "roles"
        assert [it.name for it in roles.glob("vault*")] == ["vault_sm2.2.p8"]
        assert town.ask(HEAD, "read_from_vault", kept["paper"])["content"] == PAPER
        assert town.ask(GIVER, "shred", case, **WHY)["keys"] == 1
        town.refused("shredded", HEAD, "read_from_vault", kept["paper"])
