"""Import hook by which modules, functions and classes are found under deprecated names."""

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from unlearning_pl.deprecated.names import FURTHER, MODULES, NAMES, warn

_ROOT = "unlearning_pl"


def renamed(old: str, homes: Sequence[str], names: Collection[str] = NAMES) -> Callable[[str], Any]:
    """Create the ``__getattr__`` of a module whose functions and classes were renamed or moved.

    Args:
        old: The module that lacks them, relative to ``unlearning_pl``.
        homes: The modules that have them now, likewise.
        names: The deprecated names to look up; any name if it is empty.

    Example:
        >>> renamed("sample", ["types"], ())("Sample").__name__
        'Sample'
    """

    def module_getattr(name: str) -> Any:
        known = not name.startswith("__") and (not names or name in names)
        for home in homes if known else ():
            target = import_module(f"{_ROOT}.{home}")
            for new in (NAMES.get(name, name), name):
                if new in vars(target):
                    if new != name or names:
                        warn(f"{_ROOT}.{old}.{name}", f"{_ROOT}.{home}.{new}")
                    return _gathering(vars(target)[new]) if old == "functional.contrast" else vars(target)[new]
        raise AttributeError(f"module '{_ROOT}.{old}' has no attribute {name!r}")

    return module_getattr


def _gathering(loss: Any) -> Any:
    """In version 0.1 contrastive losses gathered the rows of all processes by themselves."""
    if getattr(loss, "__name__", "") not in ("nt_xent", "info_nce", "symmetric_info_nce"):
        return loss
    return partial(loss, gather=import_module(f"{_ROOT}.distributed.collectives").gather_with_indices)


class RenamedModules(MetaPathFinder, Loader):
    """Import hook that finds the modules listed in :data:`MODULES`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a placeholder for a renamed module; None for any other module."""
        root, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if root == _ROOT and name in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Make the placeholder look names up in the modules that replace it."""
        old = module.__name__.partition(".")[2]
        warn(module.__name__, f"{_ROOT}.{MODULES[old]}")
        vars(module)["__getattr__"] = renamed(old, (MODULES[old], *FURTHER.get(old, ())), ())


def install() -> None:
    """Install the import hook."""
    sys.meta_path.append(RenamedModules())
