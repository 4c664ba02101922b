"""Where unpredictable bytes come from."""

import secrets


def randomness(count: int) -> bytes:
    """Return as many unpredictable bytes as asked for, from the operating system."""
    return secrets.token_bytes(count)
