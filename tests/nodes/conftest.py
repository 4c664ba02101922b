"""What several files of tests share."""

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import Engine

from nodes.adapters import keystore
from nodes.adapters.network import Founded, found_network, southwest_five
from nodes.store.engine import open_sqlite, open_store
from tests.nodes.folders import NOW_S
from tests.nodes.postgres import Cluster
from tests.nodes.postgres import cluster as running_cluster


@pytest.fixture(scope="session", autouse=True)
def _folder_keys() -> Iterator[None]:
    """Derive the key of each folder once: scrypt is slow on purpose, and nodes start often here."""
    known: dict[tuple[bytes, object, object], bytes] = {}
    derive = keystore._derive

    def derive_once(secret: bytes, header: Mapping[str, object]) -> bytes:
        at = secret, header["salt"], header["n"]
        if at not in known:
            known[at] = derive(secret, header)
        return known[at]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keystore, "_derive", derive_once)
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that the test may take away."""
    with running_cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """The engine of an empty database that writes, of either kind."""
    if request.param == "sqlite":
        made = open_sqlite(None)
        yield made
        made.dispose()
    else:
        server: Cluster = request.getfixturevalue("cluster")
        store = open_store(request.getfixturevalue("tmp_path"), server.new_database())
        yield store.writing
        store.close()


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """Five regions that never start; tests read their folders and write elsewhere."""
    return found_network(tmp_path_factory.mktemp("net") / "five", southwest_five(), NOW_S)
