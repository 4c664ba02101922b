"""A peer cannot make one request cost us more than a bounded piece of work."""

from nodes.core.exchange import PACKAGES_MAX, Package, Upload


def test_no_more_packages_are_read_than_one_step_should_take() -> None:
    start, packages = 0, []
    for _ in range(PACKAGES_MAX + 20):
        packages.append(Package(start, (b"",) * 256, ()))
        start += 256
    whole = Upload(origin="a.example/510000", start=0, end=start, packages=tuple(packages))
    taken = Upload.decode(whole.encode())
    assert taken.packages == whole.packages[:PACKAGES_MAX]
    assert (taken.start, taken.end) == (whole.start, whole.end)
