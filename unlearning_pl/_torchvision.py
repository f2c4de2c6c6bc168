"""Lets torchvision be imported where its C++ library does not load.

A CUDA build of torchvision beside a CPU build of torch leaves the operators ``torchvision::nms`` and
``torchvision::qnms`` undeclared, and ``import torchvision`` then dies while it registers their fake kernels. Their
schemas alone are enough for the transforms and models that this package uses; detection operators and
``torchvision.io`` stay unusable there. Import this module before torchvision.
"""

from importlib.util import find_spec
from pathlib import Path

import torch


def _library_loads() -> bool:
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # absent: let the import of torchvision say so itself
    libraries = [path for path in Path(spec.origin).parent.glob("_C*") if path.suffix in {".so", ".pyd", ".dylib"}]
    try:
        for library in libraries:
            torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return bool(libraries)


def _declare_missing_operators() -> torch.library.Library | None:
    if _library_loads():
        return None
    fragment = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        fragment.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return fragment


_fragment = _declare_missing_operators()  # the schemas live as long as this object
