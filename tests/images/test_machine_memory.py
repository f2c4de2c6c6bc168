"""Memory of a machine, a container, a job, and a process with a limit of its own."""

import resource
from pathlib import Path

import pytest
from image_files import write

from unlearning_pl.images import machine_memory


@pytest.mark.parametrize("kind", ["", "memory"])
@pytest.mark.parametrize("limited", ["", "job", "job/step"])
def test_the_memory_of_a_container_or_job_counts(
    kind: str, limited: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = machine_memory.total_memory()
    assert 2**28 < whole < 2**50
    own = write(tmp_path / "own", f"5:cpu,cpuacct:/other\n3:{kind}:/job/step\n".encode())
    monkeypatch.setattr(machine_memory, "_OWN_GROUP", str(own))
    monkeypatch.setattr(machine_memory, "_LIMITS", {kind: f"{tmp_path}/{{}}/limit"})
    for group in ("", "job", "job/step", "other"):
        text = "12345\n" if group == limited else "9\n" if group == "other" else "max\n"
        write(tmp_path / group / "limit", text.encode())
    assert machine_memory.total_memory() == 12345


def test_free_memory_is_what_is_left_within_all_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = write(tmp_path / "meminfo", b"MemTotal:  999 kB\nMemAvailable:    321 kB\nHugePages_Total:       0\n")
    monkeypatch.setattr(machine_memory, "_FREE", str(report))
    assert machine_memory.available_memory() == 321 * 1024
    addresses = 2**40
    monkeypatch.setattr(resource, "getrlimit", lambda _: (addresses, addresses))
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    report.unlink()
    monkeypatch.setattr(machine_memory, "total_memory", lambda: 2**50)
    assert machine_memory.available_memory() == pytest.approx(addresses - used, abs=2**28)
    addresses = 1
    assert machine_memory.available_memory() == 0


@pytest.mark.parametrize(
    ("limit", "used", "reclaimable"),
    [
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_what_a_container_uses_already_is_not_free(
    limit: str, used: str, reclaimable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_memory, "_OWN_GROUP", str(write(tmp_path / "own", b"")))
    monkeypatch.setattr(machine_memory, "_LIMITS", {"": f"{tmp_path}/{{}}/{limit}"})
    write(tmp_path / limit, b"100000\n")
    write(tmp_path / used, b"90000\n")
    assert machine_memory.available_memory() == 10_000
    write(tmp_path / "memory.stat", f"anon 5\n{reclaimable} 2500\n".encode())
    assert machine_memory.available_memory() == 12_500
