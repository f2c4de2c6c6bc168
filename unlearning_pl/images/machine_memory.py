"""Memory of the machine, the container or the job: in total, and what is free."""

import os
from collections.abc import Iterator
from pathlib import Path

_OWN_GROUP = "/proc/self/cgroup"  # control group of a container, or of a job on a cluster
_LIMITS = {"": "/sys/fs/cgroup/{}/memory.max", "memory": "/sys/fs/cgroup/memory/{}/memory.limit_in_bytes"}
_FREE = "/proc/meminfo"
_UNKNOWN = 16 * 2**30  # Windows does not report it; a quarter of this, 4 GiB, is safe on most machines


def total_memory() -> int:
    """Bytes of memory of the machine, or the limit of its container or job.

    Example:
        >>> total_memory() > 2**20
        True
    """
    if not hasattr(os, "sysconf"):
        return _UNKNOWN
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for place in _limit_files():
        text = place.read_text().strip() if place.is_file() else ""
        limits += [int(text)] if text.isdecimal() else []
    return min(limits)


def available_memory() -> int:
    """Bytes that this process may take at most at present: free memory, within the limits of container and process.

    Example:
        >>> 0 <= available_memory() <= total_memory()
        True
    """
    limits = [total_memory()]
    report = Path(_FREE)
    fields = dict(line.split(":", 1) for line in report.read_text().splitlines()) if report.is_file() else {}
    if "MemAvailable" in fields:
        limits.append(1024 * int(fields["MemAvailable"].split()[0]))
    return max(0, min([*limits, *_address_space()]))


def _address_space() -> Iterator[int]:
    """Bytes of addresses that are left to this process if they are limited (``ulimit -v``)."""
    try:
        import resource  # not on Windows
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = Path("/proc/self/statm")
    if limit != resource.RLIM_INFINITY and pages.is_file():
        yield limit - int(pages.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _limit_files() -> Iterator[Path]:
    """Files with the memory limits of the process's control group and of its parents."""
    own = Path(_OWN_GROUP)
    lines = own.read_text().splitlines() if own.is_file() else []
    for _, kind, group in [("0", "", "/"), ("0", "memory", "/"), *(line.split(":", 2) for line in lines)]:
        if kind in _LIMITS:
            yield from (Path(_LIMITS[kind].format(str(one).strip("/"))) for one in (Path(group), *Path(group).parents))
