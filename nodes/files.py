"""Small files that somebody names: read up to a bound, and written whole or not at all."""

import os
from pathlib import Path
from typing import Final

from ledger.errors import MalformedError

FILE_BYTES_MAX: Final = 64 << 20

_ZEROS_BYTES: Final = 1 << 20


def read_bounded(path: Path, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Return what is in a file of bounded size.

    Raises:
        MalformedError: ``no-file`` or ``too-large``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(bytes_max + 1)
    except OSError as error:
        raise MalformedError(f"cannot read {path}: {error.strerror}", code="no-file") from error
    if len(data) > bytes_max:
        raise MalformedError(f"{path} is larger than {bytes_max} bytes", code="too-large")
    return data


def save(path: Path, data: bytes) -> None:
    """Keep in a file that others may read what a command was asked for.

    Raises:
        MalformedError: ``no-file``: it cannot be written there.
    """
    try:
        write_durably(path, data, 0o644)
    except OSError as error:
        raise MalformedError(f"cannot write {path}: {error.strerror}", code="no-file") from error


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` into ``path``: a crash leaves the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        # The mode above is cut down by the umask and not applied to a file left from before.
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def overwrite(path: Path) -> None:
    """Write zeros over all of a file, durably, and delete it; nothing where there is none."""
    if not path.is_file():
        return
    zero(path)
    path.unlink()
    sync_folder(path.parent)


def zero(path: Path) -> None:
    """Write zeros over all of a file, in place and durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(bytes(min(left, _ZEROS_BYTES)))
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
