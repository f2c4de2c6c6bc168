"""What a machine has: device, driver and versions as JSON. Exit status 1 without a package or, but for --tiny, a GPU.

python benchmarks/gpu_environment.py --output FILE.json [--tiny]
"""

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gpu_wheels

NEEDED = ("unlearning_pl.commands.main", "unlearning_pl.cli.command_parser", "unlearning_pl.evaluation.audit_report")
NEEDED += ("unlearning_pl.methods", "torch", "torchvision", "lightning", "pytest", "jsonschema", "open_clip")
"""Modules to import: those of ours that import all that we depend on, and packages of the tests."""
VERSIONS = ("unlearning-pl", "torch", "torchvision", "lightning", "pytest", "kornia", "lightly", "jsonargparse")


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def import_errors() -> list[str]:
    errors = []
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except Exception as error:  # an image's package may fail in any way
            errors.append(f"{name}: {type(error).__name__}: {error}")
    return errors


def driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    if shutil.which(query[0]) is None:
        return "none"
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return lines[0] if lines else "unknown"


def device() -> dict[str, Any]:
    try:
        import torch
    except ImportError:
        return {"device": "unknown: torch cannot be imported"}
    if not torch.cuda.is_available():
        return {"device": f"no GPU, {os.cpu_count()} CPU cores"}
    properties = torch.cuda.get_device_properties(0)
    return {
        "device": torch.cuda.get_device_name(),
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "capability": list(torch.cuda.get_device_capability()),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="A GPU is not needed.")
    options = parser.parse_args()
    errors = import_errors()  # ours first: it mends an import of torchvision
    found = {**device(), "driver": driver(), "python": platform.python_version(), "machine": platform.machine()}
    found |= {"cores": os.cpu_count(), "versions": {name: version_of(name) for name in VERSIONS}, "errors": errors}
    found["violations"] = [*gpu_wheels.violations().values()]
    options.output.write_text(json.dumps(found, indent=2))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    sys.exit(bool(errors) or not (options.tiny or "cuda" in found))


if __name__ == "__main__":
    main()
