"""Lives that many records have."""

from authz.records import NEW, Life


def recorded(subject: str, event: str) -> Life:
    """Return the life of what is recorded once, with nothing left to do."""
    return Life(subject=subject, steps={(NEW, event): "recorded"})


def in_versions(subject: str, event: str, end: str, ended: str = "withdrawn") -> Life:
    """Return the life of what is published again and again until it is withdrawn."""
    return Life(
        subject=subject,
        steps={(NEW, event): "current", ("current", event): "current", ("current", end): ended},
        ended=frozenset({ended}),
    )
