"""Audit run folders: load the models, compute and compare their audits, write the report."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn
from torch import distributed

from unlearning_pl.audits import Audit, by_distance, compute_audits
from unlearning_pl.audits.embeddings import ORIGINAL, BySplit, is_retrained, require_views
from unlearning_pl.audits.muc_probe import PROBE_VIEWS, Probe
from unlearning_pl.audits.verdict import LEVEL, MARGIN
from unlearning_pl.audits.verdict_settings import VerdictSettings
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.evaluation.audit_outcome import AuditReport, check_trackers, write_audits
from unlearning_pl.evaluation.audited_runs import check_run as check_run
from unlearning_pl.evaluation.audited_runs import reference_kind, runs_by_name
from unlearning_pl.evaluation.audited_weights import AuditedWeights
from unlearning_pl.evaluation.gradient_attack import add_gradient_attack
from unlearning_pl.evaluation.relearning import relearning_epochs
from unlearning_pl.evaluation.report_context import report_context
from unlearning_pl.evaluation.retain_relearning import add_retain_relearning
from unlearning_pl.learners import Learner
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import checkpoint_path
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.run_lock import require_not_training
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT
from unlearning_pl.training.weights import load_weights

_log = logging.getLogger(__name__)


def audit_runs(
    models: Sequence[str],
    original: str | None = None,
    retrained: str | Sequence[str] | None = None,
    views: int = 10,
    output: str | None = None,
    command: Sequence[str] = (),
    relearning: int = 10,
    data: UnlearningData | None = None,
    allow: Sequence[str] = (),
    level: float = LEVEL,
    margin: float = MARGIN,
    retain_relearning: int = 0,
    gradient_attack: bool = False,
    probe: Probe = "logistic",
    trackers: bool = False,
    page: bool = True,
    **trainer: Any,
) -> AuditReport:
    """Audit runs on the same forget set and write the report.

    The forget set, and the steps in which it was forgotten, are those of the first model. All models get the same clean
    and augmented images.

    A run whose checkpoint has other weights than those that it ended with is measured as a bare checkpoint: nothing of
    its record is attributed to them. The report says so, and which models have the same weights.

    Views are drawn with seed 0. The function destroys the process group: what follows runs on rank 0 only.

    Args:
        models: Run folders of unlearned models.
        original: Run folder of the model that unlearning started from, or of an earlier one that this one started from.
        retrained: Run folders of references that never saw the forget set, trained with different seeds.
        views: Augmented views per image of the membership attack.
        output: Folder of the report; ``audit`` in the first model's folder when not given.
        command: The command line of this audit; the report lists it after those of the runs.
        relearning: Maximum number of epochs of relearning, see
            :func:`~unlearning_pl.evaluation.relearning.relearning_epochs`; 0 skips it.
        data: The data of the first model, with its split; read from its folder when not given.
        allow: Packages or classes, besides those of this package, that the configurations of the runs may name.
        level: Probability of a false verdict, see :func:`unlearning_pl.audits.judge_model.judge_model`.
        margin: Difference of the AUC that counts as equivalent to retraining.
        retain_relearning: Number of epochs of training on retain images alone, see
            :func:`~unlearning_pl.evaluation.retain_relearning.retain_relearning`; 0 skips it.
        gradient_attack: Whether to attack by gradients, see
            :func:`~unlearning_pl.evaluation.gradient_attack.gradient_norms`.
        probe: Linear probe of encoders: ``logistic`` regression, or ``muc``, see
            :func:`unlearning_pl.audits.muc_probe.muc_probe`.
        trackers: Whether to log figures and report to MLflow and Weights & Biases, too, where the training of a run
            did; the environment says where these are, as in :mod:`unlearning_pl.report.trackers`.
        page: Whether to draw ``report.html``, with maps of the features, and pictures for TensorBoard; without, the
            report is ``report.json``.
        trainer: Options of the trainer that evaluates the models: ``devices``, ``precision`` and so on.

    Returns:
        The audits, unlearned models first, the nearest to retraining before the others, and the path of the report.
        Only rank 0 writes the report and returns audits; other ranks return an empty list.

    Raises:
        InputError: If a folder is not a run folder or still trains, the runs do not belong together, or two retrained
            models are one training, or with ``trackers`` no run is at one, or there is no page for it.
    """
    settings = check_audit_options(views, relearning, retain_relearning, level, margin, page, trackers)
    references = [retrained] if isinstance(retrained, str) else retrained or []
    named, weights = check_runs(models, original, references, allow)
    if trackers:
        check_trackers(named.values())
    data = data or runs.open_data(models[0], allow)
    learners = open_learners(named, allow)
    folder = make_output_folder(Path(output).expanduser() if output else Path(models[0]) / "audit")
    evaluator = UnlearningTrainer(
        **{"devices": 1, "callbacks": ProgressLog("Embedding"), **SILENT, **trainer, "seed": 0}
    )
    embeddings = evaluator.embed(learners, data, views, probe_views=PROBE_VIEWS[probe])
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()  # rank 0 continues alone
    if not evaluator.is_global_zero:
        return AuditReport([], folder / ("report.html" if page else "report.json"))
    for name, note in weights.notes.items():
        rank_zero_warn(f"{name}: {note}")
    run_metrics = _metrics_of_runs(named, weights, learners, data, relearning, trainer)
    audits = _compare_models(embeddings, run_metrics, data, settings, maps=page)
    options = _hardware(trainer)
    if retain_relearning:
        audits = add_retain_relearning(audits, learners, data, retain_relearning, views, **options)
    if gradient_attack:
        audits = add_gradient_attack(audits, learners, data, **options)
    own: dict[str, Any] = {"views": views, "relearning": relearning, "seed": 0, "batch_size": data.eval_batch_size}
    own |= {"retain_relearning": retain_relearning, "gradient_attack": gradient_attack}
    own |= {"level": level, "margin": margin, "probe": probe}
    context = report_context(named, weights, data, command)
    context |= {"precision": evaluator.precision, "processes": evaluator.world_size, "audit": own}
    return AuditReport(audits, write_audits(folder, named, audits, context, trackers, page))


def check_audit_options(
    views: int,
    relearning: int,
    retain_relearning: int,
    level: float,
    margin: float,
    page: bool = True,
    trackers: bool = False,
) -> VerdictSettings:
    """Check the options of an audit that need no run, see :func:`audit_runs`.

    Returns:
        Settings of the verdicts.

    Raises:
        InputError: If a number is outside of its range, or trackers are to get a page that is not drawn.

    Example:
        >>> check_audit_options(views=10, relearning=0, retain_relearning=0, level=0.05, margin=0.1).margin
        0.1
    """
    require_views(views)
    for name, epochs in (("relearning", relearning), ("retain_relearning", retain_relearning)):
        require(epochs >= 0, f"Expected {name} >= 0 epochs, got {epochs}. 0 skips it.")
    require(page or not trackers, "Expected page = true with trackers = true, got false. Leave one of the two out.")
    return VerdictSettings(level, margin)


def check_runs(
    models: Sequence[str], original: str | None, retrained: Sequence[str], allow: Sequence[str]
) -> tuple[dict[str, str], AuditedWeights]:
    """Name the runs, and check that they are finished and belong together, before anything is computed.

    Args:
        models: Run folders of unlearned models.
        original: Run folder of the model that they started from, if given.
        retrained: Run folders of the retrained models.
        allow: Packages or classes, besides those of this package, that the configurations of the runs may name.

    Returns:
        Each run by its name, and what is known of their weights.

    Raises:
        InputError: If they are not, or a configuration names another class.
    """
    named = runs_by_name(models, original, retrained)
    for run in named.values():
        require_not_training(run)
        runs.read_record(run)
    weights = AuditedWeights.of(named)
    for name, run in named.items():
        check_run(name, run, models[0], original, [named[name] for name in weights.foreign])
        runs.trusted_settings(run, allow, ("model", "data") if run == models[0] else ("model",))
    weights.check_references(named)
    return named, weights


def _compare_models(
    embeddings: Mapping[str, BySplit],
    run_metrics: Mapping[str, Mapping[str, float]],
    data: UnlearningData,
    settings: VerdictSettings,
    maps: bool,
) -> list[Audit]:
    """Audits of all models, in the order of the report."""
    steps = data.splits.steps
    control = ORIGINAL if ORIGINAL in embeddings else None
    retrained = [name for name in embeddings if is_retrained(name)]
    settings = replace(settings, drawn=all(step.request.is_drawn for step in steps))
    forgotten = [step.forget for step in steps]
    audits = compute_audits(embeddings, run_metrics, forgotten, control, retrained, settings, maps)
    return by_distance(audits, [*retrained, ORIGINAL])


def open_learners(named: Mapping[str, str], allow: Sequence[str]) -> dict[str, Learner]:
    """Load whatever weights the checkpoints have; the report says if they are not those that a run ended with.

    References are models of the same class as the first one: attacks on another class are others.

    Args:
        named: Each run by its name, from :func:`check_runs`.
        allow: As there.

    Raises:
        InputError: If a reference is another learner than the first model, or weights do not fit.
    """
    learners: dict[str, Learner] = {name: runs.instantiate_from_run(run, "model", allow) for name, run in named.items()}
    first = next(name for name in named if reference_kind(name) is None)
    for name, learner in learners.items():
        expected, actual = (type(one).__name__ for one in (learners[first], learner))
        require(
            reference_kind(name) is None or actual == expected,
            f"Expected {expected}, the learner of {named[first]}, as --{reference_kind(name)}, got {named[name]}, "
            f"{actual}. Give a run of the same learner.",
        )
        load_weights(learner, checkpoint_path(named[name]))
    return learners


def _metrics_of_runs(
    named: Mapping[str, str],
    weights: AuditedWeights,
    learners: Mapping[str, Learner],
    data: UnlearningData,
    relearning: int,
    trainer: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """Metrics that do not come from embeddings: seconds from the record of the run, and epochs to relearn."""
    run_metrics: dict[str, dict[str, float]] = {
        name: {}
        if name in weights.foreign or (seconds := runs.read_record(run)["seconds"]) is None
        else {"seconds": seconds}
        for name, run in named.items()
    }
    options = _hardware(trainer)
    if "original" in learners and relearning:
        for name in (name for name in named if name != "original" and reference_kind(name) in (None, name)):
            _log.info(f"Relearning of {name}, at most {pluralize(relearning, 'epoch')}")
            epochs = relearning_epochs(learners[name], learners["original"], data, relearning, **options)
            run_metrics[name] |= {} if epochs is None else {"relearning_epochs": epochs}
    return run_metrics


def _hardware(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the trainers that rank 0 continues with."""
    return {key: trainer[key] for key in ("accelerator", "precision") if key in trainer}
