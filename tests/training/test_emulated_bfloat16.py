"""The message about emulated half precision: on CPUs without AVX-512 alone, and once."""

import pytest
import torch
from tiny import make_trainer

from unlearning_pl.training import emulated_bfloat16 as module


@pytest.mark.parametrize(
    ("machine", "capability", "options", "said"),
    [
        ("x86_64", "AVX2", {"precision": "bf16-mixed"}, 1),
        ("AMD64", "DEFAULT", {"precision": "bf16-mixed"}, 1),
        ("x86_64", "AVX2", {}, 0),
        ("x86_64", "AVX512", {"precision": "bf16-mixed"}, 0),
        ("aarch64", "DEFAULT", {"precision": "bf16-mixed"}, 0),
    ],
)
def test_it_is_said_once_where_it_is_slow(
    machine: str, capability: str, options: dict[str, str], said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(module, "rank_zero_info", lines.append)
    monkeypatch.setattr(module.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    module._announce.cache_clear()
    for _ in range(2):
        make_trainer(logger=False, **options)
    module._announce.cache_clear()
    assert len(lines) == said
    assert all("32-true" in line for line in lines)


def test_other_devices_are_not_concerned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_announce", lambda: pytest.fail("said of a device that is no CPU"))
    module.announce_emulated_bfloat16(torch.device("cuda"), "bf16-mixed")
