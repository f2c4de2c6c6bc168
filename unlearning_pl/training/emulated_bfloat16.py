"""A message where half precision makes a run slower instead of faster."""

import platform
from functools import cache

import torch
from lightning.pytorch.utilities import rank_zero_info


def announce_emulated_bfloat16(device: torch.device, precision: str) -> None:
    """Say that bfloat16 is emulated on an x86 CPU without AVX-512, once a process.

    oneDNN has no fast convolutions in bfloat16 there. SimCLR with resnet9_slim (batch 150, 32x32 pixels, one core of an
    AMD EPYC with AVX2) read 16 images a second in bf16-mixed, and 139 in 32-true.

    Args:
        device: The device that computes.
        precision: The trainer's precision; on a CPU Lightning uses bf16-mixed in place of 16-mixed.

    Example:
        >>> announce_emulated_bfloat16(torch.device("cpu"), "32-true")
    """
    if device.type == "cpu" and precision in ("bf16-mixed", "16-mixed") and _lacks_avx512():
        _announce()


def _lacks_avx512() -> bool:
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return is_x86 and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")


@cache
def _announce() -> None:
    rank_zero_info(
        "This CPU has no AVX-512 and emulates bfloat16: precision bf16-mixed is several times slower here than 32-true."
    )
