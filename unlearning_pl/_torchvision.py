"""Make torchvision importable where its C++ library does not load.

A CUDA build of torchvision beside a CPU build of torch leaves the operators ``torchvision::nms`` and
``torchvision::qnms`` undeclared, and ``import torchvision`` then fails while it registers their fake kernels. The
schemas of the operators are enough for the transforms and models that this package uses; detection operators and
``torchvision.io`` stay unusable with such a build.

``import unlearning_pl`` installs a hook that declares the operators just before the first import of torchvision by any
module. torch, whose import takes seconds, is not imported before that.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_fragments: list[Any] = []  # the schemas live as long as these objects


class DeclareOperators(MetaPathFinder):
    """Import hook that declares torchvision's missing operators before its first import, and never returns a spec."""

    done = False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        """Declare the operators if torchvision is about to be imported."""
        if fullname == "torchvision" and not self.done:
            self.done = True  # it stays among the finders, over which the import system iterates
            _declare_missing_operators()


def install() -> None:
    """Install the hook, unless torchvision is imported already."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, DeclareOperators())


def _library_loads() -> bool:
    import torch

    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # not installed: the import of torchvision raises its own error
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
