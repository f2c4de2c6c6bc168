"""Names of version 0.1 that are deprecated, and what replaced them. They work until version 0.3, with a warning."""

import os
import warnings
from collections.abc import Mapping

MODULES = {
    "audits.base": "audits.embeddings",
    "audits.collect": "audits.extract",
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

FURTHER = {
    "checkpoints": ("training.checkpoint_files", "training.resume"),
    "launchers": ("distributed.slurm",),
    "learners.contrastive": ("learners.momentum_encoder",),
    "methods.base": ("methods.unlearner",),
    "weights": ("training.checkpoint_files",),
}
"""Modules that have the rest of what such a module had."""

NAMES = {
    "aside": "cpu_group",
    "apart": "single_process",
    "build": "instantiate_from_run",
    "by_slurm": "started_by_srun",
    "digest": "weights_digest",
    "everyone": "all_gather_object",
    "forgot_before": "has_forgotten",
    "joint": "concat_streams",
    "judge": "compute_audit",
    "judge_all": "compute_audits",
    "KeepLast": "LastCheckpoint",
    "kept": "has_checkpoint",
    "largest": "async_all_reduce_max",
    "launched": "launched_processes",
    "measuring": "evaluation_mode",
    "own_rows": "local_indices",
    "plain": "mean_loss",
    "replacing": "atomic_write",
    "requeue": "requeue_slurm_job",
    "settle": "normalize_loop_progress",
    "SharedBatchNorm": "DifferentiableSyncBatchNorm",
    "SharedStatistics": "SyncBatchNormPlugin",
    "split_for": "apply_forget_request",
    "together": "terminate_children_on_error",
    "total": "all_reduce_sum",
    "WEIGHTS": "CHECKPOINT",
    "weights_path": "checkpoint_path",
    "WholeFiles": "AtomicCheckpointIO",
}
"""Renamed functions and classes, of any module."""

ATTRIBUTES = {
    "_leave": "uninstall",
    "adopt": "load_split",
    "alternates": "alternates_streams",
    "calls": "required_methods",
    "check_numbers": "check_finite",
    "compiles": "supports_compile",
    "confirm": "verify_split",
    "follow": "ema_update",
    "join": "install",
    "keeps": "state_keys",
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

_PLAN = "Override extend_plan of a callback, see docs/architecture.md."
_LOADER = "Make a loader from a plan, data.loader(positions, plan), see docs/architecture.md."

REMOVED = {
    "feed": _PLAN,
    "num_views": _PLAN,
    "streams": _PLAN,
    "look": _LOADER,
    "look_at": _LOADER,
}
"""Attributes of the data module that version 0.2 removed, with what takes their place."""

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

PACKAGES = {
    "cli": ("commands.main", ("main", "run")),
    "data.sources": ("data", ("Digits", "Source")),
    "data.splits": ("data", ("Splits", "Step", "fingerprint", "make_splits", "with_request")),
}
"""Modules of version 0.1 whose name belongs to a package now, with the module that has their contents."""


def warn(old: str, new: str) -> None:
    """Warn that a name is deprecated, with the name that replaces it; once per job of several processes."""
    if any(os.environ.get(rank, "0") != "0" for rank in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return
    message = f"{old} is deprecated and was renamed to {new}; version 0.3 removes the old name."
    warnings.warn(message, FutureWarning, stacklevel=3)
