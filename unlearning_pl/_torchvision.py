"""Lets torchvision be imported where its C++ library does not load.

A CUDA build of torchvision beside a CPU build of torch leaves the operators ``torchvision::nms`` and
``torchvision::qnms`` undeclared, and ``import torchvision`` then dies while it registers their fake kernels. Their
schemas alone are enough for the transforms and models that this package uses; detection operators and
``torchvision.io`` stay unusable there.

``import unlearning_pl`` installs a hook that declares them just before torchvision is imported, whoever imports it:
torch itself, which takes seconds, is not imported until then.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_fragments: list[Any] = []  # the schemas live as long as these objects


class DeclareOperators(MetaPathFinder):
    """Import hook that declares torchvision's missing operators before its first import, and finds nothing itself."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Declare the operators if it is torchvision that is about to be imported."""
        if fullname == "torchvision" and self in sys.meta_path:
            sys.meta_path.remove(self)
            _declare_missing_operators()


def install() -> None:
    """Install the hook, unless torchvision is there already."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, DeclareOperators())


def _library_loads() -> bool:
    import torch

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


def _declare_missing_operators() -> None:
    import torch

    if _library_loads():
        return
    fragment = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        fragment.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _fragments.append(fragment)
