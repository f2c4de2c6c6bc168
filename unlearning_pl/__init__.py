"""Machine unlearning of contrastive and supervised image encoders on PyTorch Lightning.

The names below are the public interface; each is imported when it is first used, so that ``import unlearning_pl`` is
quick. Sources, learners, methods and metrics are in the packages ``data``, ``learners``, ``methods`` and ``metrics``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unlearning_pl import _torchvision, notebook
from unlearning_pl.deprecated import old_modules

if TYPE_CHECKING:
    from unlearning_pl import audits, data, learners, methods, metrics
    from unlearning_pl.audits import Audit
    from unlearning_pl.data import ForgetRequest, UnlearningData
    from unlearning_pl.errors import InputError
    from unlearning_pl.evaluation.audit_report import audit_runs
    from unlearning_pl.learners import Learner
    from unlearning_pl.methods import PlugIn, Unlearner
    from unlearning_pl.training.membership_monitor import MembershipMonitor
    from unlearning_pl.training.runs import open_data, open_learner
    from unlearning_pl.training.trainer import UnlearningTrainer

__version__ = "0.2.0.dev0"

__all__ = [
    "Audit",
    "ForgetRequest",
    "InputError",
    "Learner",
    "MembershipMonitor",
    "PlugIn",
    "Unlearner",
    "UnlearningData",
    "UnlearningTrainer",
    "__version__",
    "audit_runs",
    "audits",
    "data",
    "learners",
    "methods",
    "metrics",
    "open_data",
    "open_learner",
]

_HOMES = {
    "audits": ("Audit",),
    "data": ("ForgetRequest", "UnlearningData"),
    "errors": ("InputError",),
    "evaluation.audit_report": ("audit_runs",),
    "learners": ("Learner",),
    "methods": ("PlugIn", "Unlearner"),
    "metrics": (),
    "training.membership_monitor": ("MembershipMonitor",),
    "training.runs": ("open_data", "open_learner"),
    "training.trainer": ("UnlearningTrainer",),
}
"""The module of each public name."""

_torchvision.install()
old_modules.install()
notebook.install()


def __getattr__(name: str) -> Any:
    """Import a public name, or a package, when it is first used."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None and name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{home or name}")
    return module if home is None else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
