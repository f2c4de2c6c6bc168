"""Audit run folders: load the models, compute and compare their audits, write the report."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lightning.pytorch import seed_everything
from lightning.pytorch.utilities import rank_zero_warn
from torch import distributed

from unlearning_pl.audits import Audit, compute_audits
from unlearning_pl.audits.extract import AUDITED
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.evaluation.relearning import relearning_epochs
from unlearning_pl.learners import Learner
from unlearning_pl.report import log_to_tensorboard, write_report
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import weights_digest
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT

_REFERENCES = {"original": "all", "retrained": "retain"}
"""The ``data.train_on`` that each reference run must have."""


def audit_runs(
    models: Sequence[str],
    original: str | None = None,
    retrained: str | None = None,
    views: int = 10,
    output: str | None = None,
    command: Sequence[str] = (),
    relearning: int = 10,
    **trainer: Any,
) -> tuple[list[Audit], Path]:
    """Audit runs on the same forget set and write the report.

    The forget set, and the steps in which it was forgotten, are those of the first model. All models get the same clean
    and augmented images.

    Args:
        models: Run folders of unlearned models.
        original: Run folder of the model that unlearning started from, or of an earlier one that this one started from.
        retrained: Run folder of the reference that never saw the forget set.
        views: Augmented views per image of the membership attack.
        output: Folder of the report; ``audit`` in the first model's folder when not given.
        command: The command line of this audit; the report lists it after those of the runs.
        relearning: Maximum number of epochs of relearning, see
            :func:`~unlearning_pl.evaluation.relearning.relearning_epochs`; 0 skips it.
        trainer: Options of the trainer that evaluates the models: ``devices``, ``precision`` and so on.

    Returns:
        The audits, original and retrained first, and the path of the HTML page. Only rank 0 writes the report and
        returns audits; other ranks return an empty list.

    The function seeds the global random state with 0 and destroys the process group: what follows runs on rank 0 only.

    Raises:
        InputError: If a folder is not a run folder, or the runs do not belong together.
    """
    require(relearning >= 0, f"Expected relearning >= 0 epochs, got {relearning}. 0 skips it.")
    named = _runs_by_name(models, original, retrained)
    for name, run in named.items():
        check_run(name, run, models[0], original)
    folder = make_output_folder(Path(output).expanduser() if output else Path(models[0]) / "audit")
    data = runs.open_data(models[0])
    learners = {name: runs.open_learner(run) for name, run in named.items()}
    seed_everything(0, verbose=False)
    evaluator = UnlearningTrainer(**{"devices": 1, **SILENT, **trainer})
    embeddings = evaluator.embed(learners, data, views)
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()  # rank 0 continues alone
    if not evaluator.is_global_zero:
        return [], folder / "report.html"
    run_metrics = _metrics_of_runs(named, learners, data, relearning, trainer)
    steps = [step.forget for step in data.splits.steps]
    audits = compute_audits(embeddings, run_metrics, steps, *(name if name in named else None for name in _REFERENCES))
    settings: dict[str, Any] = {"precision": evaluator.precision, "processes": evaluator.world_size}
    settings |= {"audit": {"views": views, "relearning": relearning, "seed": 0}}
    return audits, _write(folder, named, audits, _context(named, data, command) | settings)


def _metrics_of_runs(
    named: Mapping[str, str],
    learners: Mapping[str, Learner],
    data: UnlearningData,
    relearning: int,
    trainer: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Metrics that do not come from embeddings: seconds from the record of the run, and epochs to relearn."""
    run_metrics: dict[str, dict[str, float]] = {
        name: {"seconds": runs.read_record(run)["seconds"]} for name, run in named.items()
    }
    options = {key: trainer[key] for key in ("accelerator", "precision") if key in trainer}
    if "original" in learners and relearning:
        for name in (name for name in named if name != "original"):
            epochs = relearning_epochs(learners[name], learners["original"], data, relearning, **options)
            run_metrics[name] |= {} if epochs is None else {"relearning_epochs": epochs}
    return run_metrics


def _write(folder: Path, named: Mapping[str, str], audits: Sequence[Audit], context: Mapping[str, Any]) -> Path:
    page = write_report(folder, audits, context)
    for audit, run in zip(audits, named.values(), strict=True):
        if not os.access(run, os.W_OK):  # for example another user's original
            rank_zero_warn(f"{run} is not writable: its audit is not logged to TensorBoard.")
            continue
        log_to_tensorboard(run, audit, settings=context["settings"][audit.name], references=audits)
    return page


def _runs_by_name(models: Sequence[str], original: str | None, retrained: str | None) -> dict[str, str]:
    references = {"original": original, "retrained": retrained}
    named = {name: run for name, run in references.items() if run is not None}
    for run in models:
        name = Path(run).resolve().name
        require(
            name not in named,
            f"Expected runs with different names, got {name!r} twice. Rename one folder; original and retrained are "
            "the names of the references.",
        )
        named[name] = run
    return named


def check_run(name: str, run: str, model: str, original: str | None) -> None:
    """Check that a run is finished and belongs to the first model, before anything is computed.

    Args:
        name: "original", "retrained" or another name.
        run: The run folder.
        model: Run folder of the first model.
        original: Run folder of the model that both started from, if given.

    Raises:
        InputError: If the run has another split, does not match its name, or started from another original.
    """
    runs.read_record(run)
    expected, actual = runs.read_split(model), runs.read_split(run)
    shared = ["fingerprint", "validation"] + ([] if name == "original" else ["forget"])
    different = [key for key in shared if expected.get(key) != actual.get(key)]
    require(
        not different,
        f"Expected runs of one split, got {run} with another {' and '.join(different)} than {model}. "
        "Give runs of the same data and the same forget request.",
    )
    _check_reference(name, run, model)
    ancestors = () if name in _REFERENCES else runs.lineage(run)
    require(
        original is None or not ancestors or weights_digest(original) in ancestors,
        f"Expected the original that {run} started from, got {original}. Give {runs.read_record(run).get('original')}.",
    )


def _check_reference(name: str, run: str, model: str) -> None:
    """Check that the model started from the original, and that the retrained model was trained from scratch."""
    if name not in _REFERENCES or (name == "original" and weights_digest(run) in runs.lineage(model)):
        return
    trained_on, expected = runs.read_config(run)["data"].get("train_on"), _REFERENCES[name]
    command = "unlearn" if runs.lineage(run) else "fit"
    require(
        trained_on == expected and command == "fit",
        f"Expected a run of fit with data.train_on = {expected} as --{name}, got {run}, a run of {command} with "
        f"{trained_on}. Give another run.",
    )
    initial_weights = runs.read_record(run).get("weights_sha256")
    require(
        initial_weights is None or initial_weights not in runs.lineage(model),
        f"Expected a run that never saw the forget set of {model} as --{name}, got {run}, which started from weights "
        "of a run that did. Train it without --weights.",
    )


def _context(named: dict[str, str], data: UnlearningData, command: Sequence[str]) -> dict[str, Any]:
    splits = data.splits
    source = data.source
    steps = [{"request": _request_fields(step.request), "count": len(step.forget)} for step in splits.steps]
    return {
        "title": "Unlearning audit",
        "dataset": type(source).__name__,
        "fingerprint": splits.fingerprint,
        **({"steps": steps} if splits.earlier else {"request": _request_fields(splits.request)}),
        "counts": splits.counts(),
        "class_names": data.class_names,
        "seeds": {
            name: runs.read_record(run)["seed"] for name, run in named.items() if "seed" in runs.read_record(run)
        },
        "commands": [
            shlex.join(words)
            for words in (*(runs.read_record(run)["command"] for run in named.values()), command)
            if words
        ],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "settings": {name: _settings(run) for name, run in named.items()},
        "ids": {name: [data.ids[i] for i in data.positions(split).tolist()] for name, split in AUDITED.items()},
        **runs.environment(),
    }


def _request_fields(request: ForgetRequest) -> dict[str, Any]:
    return {key: value for key, value in asdict(request).items() if value is not None}


def _settings(run: str) -> dict[str, Any]:
    config, record = runs.read_config(run), runs.read_record(run)
    kept = {key: config[key] for key in ("model", "method", "plugins", "optimizer", "schedule") if config.get(key)}
    return kept | {key: record[key] for key in ("epochs", "steps", "seed") if key in record}
