"""Deprecated names of version 0.1: modules, functions, options and keys of files.

Version 0.2 accepts them with a warning; version 0.3 removes them. The tables below are the only mapping. An import hook
finds renamed modules, so class paths in configurations and in run folders keep working; options and keys are renamed
where they are read.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "audits.base": "audits.embeddings",
    "audits.collect": "audits.extract",
    "audits.judge": "audits.compute",
    "checkpoints": "training.last_checkpoint",
    "data.folder": "data.sources.folder",
    "data.hub": "data.sources.hub",
    "data.image_set": "images.image_set",
    "data.image_table": "data.sources.image_table",
    "data.manifest": "data.splits.manifest",
    "data.metadata": "data.sources.with_metadata",
    "data.named": "data",
    "data.parquet": "data.sources.parquet",
    "data.photographs": "data",
    "data.requests": "data.splits.forget_request",
    "data.shards": "data.sources.shards",
    "data.template_captions": "data.sources.template_captions",
    "data.text": "data.captions",
    "data.views": "data.augment.view_policies",
    "files": "io",
    "functional.attackers": "functional.learned_attacks",
    "functional.attacks": "functional.threshold_attack",
    "functional.collectives": "distributed.collectives",
    "functional.contrast": "functional.contrastive_losses",
    "functional.neighbours": "functional.duplicates",
    "functional.pairs": "functional.permutations",
    "functional.separation": "functional.roc",
    "functional.shadows": "functional.shadow_models",
    "launchers": "distributed.launchers",
    "learners.base": "learners.learner",
    "learners.batch_norm": "distributed.batch_norm",
    "learners.contrastive": "learners.contrastive_learner",
    "learners.terms": "learners.loss_terms",
    "methods.base": "methods",
    "methods.importance": "methods.weight_gradients",
    "relearning": "evaluation.relearning",
    "report.document": "report.report_json",
    "report.page": "report.html_page",
    "reporting": "evaluation.audit_report",
    "run_folder": "training.run_folder",
    "runs": "training.runs",
    "sample": "types",
    "stopwatch": "training.stopwatch",
    "trainer": "training.trainer",
    "weights": "training.weights",
}
"""Renamed modules, relative to ``unlearning_pl``."""

NAMES = {
    "aside": "cpu_group",
    "apart": "single_process",
    "everyone": "all_gather_object",
    "joint": "concat_streams",
    "judge": "compute_audit",
    "judge_all": "compute_audits",
    "KeepLast": "LastCheckpoint",
    "largest": "async_all_reduce_max",
    "own_rows": "local_indices",
    "plain": "mean_loss",
    "replacing": "atomic_write",
    "total": "all_reduce_sum",
    "weights_path": "checkpoint_path",
    "WholeFiles": "AtomicCheckpointIO",
}
"""Renamed functions and classes, of any module."""

ATTRIBUTES = {
    "adopt": "load_split",
    "alternates": "alternates_streams",
    "calls": "required_methods",
    "check_numbers": "check_finite",
    "compiles": "supports_compile",
    "confirm": "verify_split",
    "join": "install",
    "keeps": "state_keys",
    "look": "eval_samples",
    "look_at": "set_predict_splits",
    "look_up": "samples_at",
    "needs": "required_streams",
    "published": "pretrained_path",
    "rematch": "swap_positives",
    "scaffold": "auxiliary_modules",
    "scramble": "corrupt_targets",
    "shards": "supports_fsdp",
    "trains": "takes_steps",
    "under": "inner_streams",
}
"""Renamed attributes of methods, learners and the data module."""

_IMAGE_FILES = {"corrupt": "on_error"}
_STREAMED_FILES = {"corrupt": "on_error", "hold": "storage"}

KEYS: Mapping[str, Mapping[str, str]] = {
    "Folder": _STREAMED_FILES,
    "GradientPenalty": {"at": "wrt", "of": "score"},
    "Hub": _IMAGE_FILES,
    "ImageTable": _STREAMED_FILES,
    "OxfordPets": _IMAGE_FILES,
    "Parquet": _IMAGE_FILES,
    "Shards": _STREAMED_FILES,
    "TinyImageNet": _IMAGE_FILES,
}
"""Renamed arguments of this package's classes, as options and as keys of a configuration."""

VALUES = {("on_error", "refuse"): "raise"}
"""Renamed values of such arguments."""


def warn(old: str, new: str) -> None:
    """Warn that a name is deprecated, with the name that replaces it."""
    message = f"{old} is deprecated and was renamed to {new}; version 0.3 removes the old name."
    warnings.warn(message, FutureWarning, stacklevel=3)


PACKAGES = {
    "cli": "commands.main",
    "data.sources": "data",
    "data.splits": "data.splits.forget_split",
}
"""Modules of version 0.1 whose name belongs to a package now, with the module that has their contents."""


def renamed(module: str, old: str | None = None) -> Callable[[str], Any]:
    """Create the ``__getattr__`` of a module whose functions and classes were renamed or moved.

    Args:
        module: Name of the module that has them now.
        old: Name of the module that had them before, if it is another one.

    Example:
        >>> import unlearning_pl.types
        >>> renamed("unlearning_pl.types")("Sample").__name__
        'Sample'
    """

    def module_getattr(name: str) -> Any:
        new = NAMES.get(name, name)
        target = None if name.startswith("__") else sys.modules.get(module) or import_module(module)
        if target is None or new not in vars(target):
            raise AttributeError(f"module {old or module!r} has no attribute {name!r}")
        if new != name or old is not None:
            warn(f"{old or module}.{name}", f"{module}.{new}")
        return vars(target)[new]

    return module_getattr


class RenamedModules(MetaPathFinder, Loader):
    """Import hook that finds the modules listed in :data:`MODULES`."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a placeholder for a renamed module; None for any other module."""
        root, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if root == "unlearning_pl" and name in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Make the placeholder look names up in the module that replaces it."""
        new = f"unlearning_pl.{MODULES[module.__name__.partition('.')[2]]}"
        warn(module.__name__, new)
        import_module(new)
        vars(module)["__getattr__"] = renamed(new)


class RenamedAttributes:
    """Base of the classes that users extend or call and whose attributes were renamed."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for old in [name for name in vars(cls) if name in ATTRIBUTES]:
            if hasattr(cls, ATTRIBUTES[old]):  # otherwise it is an attribute of the subclass's own
                warn(f"{cls.__name__}.{old}", ATTRIBUTES[old])
                setattr(cls, ATTRIBUTES[old], vars(cls)[old])

    def __getattr__(self, name: str) -> Any:
        new = ATTRIBUTES.get(name)
        if new is not None and hasattr(self, new):
            warn(f"{type(self).__name__}.{name}", new)
            return getattr(self, new)
        inherited = getattr(super(), "__getattr__", None)
        if inherited is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return inherited(name)


def supply_renamed(module: Any, names: Iterable[str]) -> None:
    """Add the renamed attributes to a module that has them under deprecated names and is no :class:`Learner`.

    Args:
        module: Module to change in place; its registered parameters and submodules stay the same.
        names: Names of the required attributes.
    """
    for old, new in ATTRIBUTES.items():
        if new in names and not hasattr(module, new) and hasattr(module, old):
            warn(f"{type(module).__name__}.{old}", new)
            object.__setattr__(module, new, getattr(module, old))


def auxiliary_state(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Weights of the auxiliary modules in a checkpoint, which version 0.1 called its scaffold.

    Example:
        >>> auxiliary_state({"scaffold": {"scaffold.head.bias": 0.0}})
        {'auxiliary_modules.head.bias': 0.0}
    """
    if "auxiliary_modules" in checkpoint:
        return dict(checkpoint["auxiliary_modules"])
    scaffold = checkpoint.get("scaffold", {})
    return {name.replace("scaffold", "auxiliary_modules", 1): value for name, value in scaffold.items()}


def install() -> None:
    """Install the import hook."""
    sys.meta_path.append(RenamedModules())
