"""Memory of the machine, the container or the job: in total, and what is free."""

import os
from collections.abc import Iterator
from pathlib import Path

_OWN_GROUP = "/proc/self/cgroup"  # control group of a container, or of a job on a cluster
_LIMITS = {"": "/sys/fs/cgroup/{}/memory.max", "memory": "/sys/fs/cgroup/memory/{}/memory.limit_in_bytes"}
_USED = {"memory.max": "memory.current", "memory.limit_in_bytes": "memory.usage_in_bytes"}  # beside each limit
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
    limits = [total_memory(), *_unused_in_group()]
    report = Path(_FREE)
    fields = dict(line.split(":", 1) for line in report.read_text().splitlines()) if report.is_file() else {}
    if "MemAvailable" in fields:
        limits.append(1024 * int(fields["MemAvailable"].split()[0]))
    return max(0, min([*limits, *_address_space()]))


def _unused_in_group() -> Iterator[int]:
    """Bytes up to each limit of the control group and its parents that no process in them uses."""
    for limit in _limit_files():
        used, statistics = limit.parent / _USED.get(limit.name, ""), limit.parent / "memory.stat"
        if not (limit.is_file() and used.is_file() and limit.read_text().strip().isdecimal()):
            continue
        lines = statistics.read_text().splitlines() if statistics.is_file() else []
        sizes = dict(line.split(" ", 1) for line in lines if " " in line)
        reclaimable = sizes.get("total_inactive_file", sizes.get("inactive_file", "0"))  # pages of files, unused
        yield int(limit.read_text()) - int(used.read_text()) + int(reclaimable)


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
