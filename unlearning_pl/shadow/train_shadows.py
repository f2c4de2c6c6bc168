"""Train shadow models, score all models, run the attacks, write the result."""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.cli.data_options import open_run_data
from unlearning_pl.cli.job_runner import Call, run_jobs, worker_environments
from unlearning_pl.errors import UnfinishedError
from unlearning_pl.io import write_json
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.report.terminal import open_console
from unlearning_pl.shadow.shadow_attacks import AttackScores, Evidence, attacks, distances, evaluate_attack
from unlearning_pl.shadow.shadow_checks import check, check_output
from unlearning_pl.shadow.shadow_plan import Shadow, plan
from unlearning_pl.shadow.shadow_scores import score_models, stacked, write_scores
from unlearning_pl.shadow.trusted_runs import check_classes_of_runs
from unlearning_pl.training import runs
from unlearning_pl.training.progress_log import format_seconds
from unlearning_pl.training.run_lock import lock_folder

RESULT, SCORES = "shadow.json", "scores.npz"
_VERSION = 1
_FIELDS = {
    ("LiRA", "original"): "lira",
    ("U-LiRA", "model"): "unlearned_probability",
    ("RMIA", "original"): "rmia_original",
    ("RMIA", "model"): "rmia_model",
}


def shadow(
    model: str,
    original: str,
    retrained: str | None = None,
    *,
    count: int = 16,
    output: str | None = None,
    processes: int | None = None,
    seed: int = 0,
    views: int = 10,
    allow: Sequence[str] = (),
    command: Sequence[str] = (),
    data_options: Sequence[str] = (),
) -> tuple[dict[str, Any], Path]:
    """Train shadow models of a run and its original, and attack both with them.

    ``fit`` trains each shadow model with the settings of the original but without half of the images to forget, and
    ``unlearn`` removes the other half with the settings of the model. Their runs are in ``OUTPUT/K/original`` and
    ``OUTPUT/K/unlearned``. A finished run is kept as long as its command, its settings and the weights that it started
    from are unchanged, and an interrupted one is resumed.

    Args:
        model: Run folder of the unlearned model.
        original: Run folder of the model that it started from.
        retrained: Run folder of the reference that never saw the images to forget.
        count: Number of shadow models, even and at least 4.
        output: Folder of the shadow models and the result; ``shadows`` in the model's folder when not given.
        processes: Number of shadow models trained in parallel; one for each GPU or core when not given.
        seed: Seed of the random halves; the seeds of weights and batches follow it and skip those of the target runs.
        views: Augmented views per image of an encoder's score.
        allow: Packages or classes, besides those of this package, that the configurations of the runs may name; see
            :func:`~unlearning_pl.shadow.trusted_runs.check_classes_of_runs`.
        command: The command line of this call, recorded in the result.
        data_options: Options ``--data.*`` that change the data of the runs, for images that were moved.

    Returns:
        The content of ``OUTPUT/shadow.json``, and its path.

    Raises:
        InputError: If the runs do not belong together, an option is out of range, ``output`` has the result of another
            model or another process writes it; raised before any training.
        UnfinishedError: If a shadow model failed; the others are finished, and the same command tries it again.
    """
    check(model, original, retrained, count=count, processes=processes, seed=seed, views=views)
    check_classes_of_runs((model, original), retrained, allow)
    # Absolute paths, because the shadow models' commands and the result name them
    model, original = (str(Path(run).resolve()) for run in (model, original))
    retrained = str(Path(retrained).resolve()) if retrained else None
    output_folder = Path(output).expanduser().resolve() if output else Path(model) / "shadows"
    check_output(output_folder / RESULT, model)
    targets = {"original": original, "model": model} | ({"retrained": retrained} if retrained else {})
    with lock_folder(output_folder, "--output"):
        folder = make_output_folder(output_folder)
        result = _train_and_attack(targets, folder, count, processes, seed, views, allow, data_options)
        result |= {"command": [*command], **runs.environment()}
        return result, write_json(folder / RESULT, result)


def _train_and_attack(
    targets: dict[str, str],
    folder: Path,
    count: int,
    processes: int | None,
    seed: int,
    views: int,
    allow: Sequence[str],
    data_options: Sequence[str],
) -> dict[str, Any]:
    """Train the shadow models of the targets, score all models, and run the attacks."""
    model, original = targets["model"], targets["original"]
    data = open_run_data(model, data_options, "shadow", allow)
    ids = [data.ids[row] for row in data.positions("forgotten").tolist()]
    taken = [runs.read_record(run).get("seed") for run in targets.values()]
    shadows, seen = plan(ids, count, folder, seed, [one for one in taken if one is not None], data_options)
    _train(shadows, model, original, processes, allow)
    start = time.monotonic()
    before, after = ({str(one.folder): getattr(one, kind) for one in shadows} for kind in ("original", "unlearned"))
    evidence = Evidence(
        seen,
        *(stacked([*score_models(each, data, views, allow).values()]) for each in (before, after)),
        **score_models(targets, data, views, allow),
    )
    _write_scores(folder, evidence, ids, [data.ids[row] for row in data.positions("test").tolist()])
    settings = {"retrained": None, **targets, "seed": seed, "views": views}
    result = _result(evidence, ids, settings, shadows)
    result["seconds"]["scoring"] = round(time.monotonic() - start, 3)
    return result


def _train(shadows: Sequence[Shadow], model: str, original: str, processes: int | None, allow: Sequence[str]) -> None:
    """Execute all runs that are not finished, several in parallel."""
    console, failures, start = open_console(), dict[str, str](), time.monotonic()
    ended: list[str] = []

    def report(name: str, failure: str | None) -> None:
        ended.append(name)
        state = "ready" if failure is None else f"failed: {failure}"
        left = format_seconds((time.monotonic() - start) * (len(shadows) - len(ended)) / len(ended))
        line = f"shadow {name} {state} ({len(ended)} of {len(shadows)}, {time.monotonic() - start:.0f} s, {left} left)"
        console.print(line, soft_wrap=True, highlight=False, markup=False)
        if failure is not None:
            failures[name] = failure

    jobs = {shadow.folder.name: _calls(shadow, model, original, allow) for shadow in shadows}
    run_jobs(jobs.items(), worker_environments(len(shadows), processes), report)
    if failures:
        named = "; ".join(f"shadow {name}: {why}" for name, why in failures.items())
        raise UnfinishedError(
            f"Failed: {named.rstrip('.')}. The others are finished; the same command tries these again."
        )


def _calls(shadow: Shadow, model: str, original: str, allow: Sequence[str]) -> Iterator[Call]:
    """The commands that remain to run; each is determined when the previous one has ended."""
    shadow.write_requests()
    trained = shadow.train(original)
    if not trained.is_finished():
        shutil.rmtree(shadow.unlearned, ignore_errors=True)  # it started from another original
        yield Call(trained.command(), shadow.log)
    unlearned = shadow.unlearn(model, allow)
    if not unlearned.is_finished():
        yield Call(unlearned.command(), shadow.log)


def _write_scores(folder: Path, evidence: Evidence, ids: list[str], test_ids: list[str]) -> None:
    columns: dict[str, Tensor | Sequence[str]] = {"ids": ids, "test_ids": test_ids, "seen": evidence.seen}
    for name in ("originals", "unlearned", "original", "model", "retrained"):
        scores = getattr(evidence, name)
        if scores is not None:
            columns |= {name: scores.images, f"{name}_test": scores.population}
    write_scores(folder / SCORES, columns)


def _result(evidence: Evidence, ids: list[str], settings: dict[str, Any], shadows: Sequence[Shadow]) -> dict[str, Any]:
    answers, klom = attacks(evidence), distances(evidence)
    images = {field: value.tolist() for field, value in _by_image(answers, klom).items()}
    kind = "log odds of the true class" if evidence.model.classifier else "mean cosine similarity of two views"
    records = [[runs.read_record(run)["seconds"] for run in (one.original, one.unlearned)] for one in shadows]
    return {
        "version": _VERSION,
        "statistic": kind,
        "settings": {**settings, "pooled_variance": evidence.pooled},
        "counts": {"shadows": len(shadows), "images": len(ids), "population": evidence.model.population.shape[-1]},
        "attacks": [asdict(finding) for each in answers for finding in evaluate_attack(each, evidence.seen)],
        "klom": {name: _summary(values) for name, values in klom.items()},
        "images": {name: {field: values[row] for field, values in images.items()} for row, name in enumerate(ids)},
        "seconds": dict(zip(("training", "unlearning"), map(sum, zip(*records, strict=True)), strict=True)),
    }


def _by_image(answers: Sequence[AttackScores], klom: dict[str, Tensor]) -> dict[str, Tensor]:
    columns: dict[str, Tensor] = {}
    for each in answers:
        scores = {"": each.own} | ({} if each.retrained is None else {"_retrained": each.retrained})
        for suffix, value in scores.items():
            columns[_FIELDS[each.attack, each.target] + suffix] = each.shown(value)
    return columns | {f"klom_{name}": values for name, values in klom.items()}


def _summary(values: Tensor) -> dict[str, float]:
    quantiles = values.quantile(torch.tensor([0.5, 0.95], dtype=values.dtype)).tolist()
    return {"mean": values.mean().item(), "median": quantiles[0], "percentile_95": quantiles[1]}
