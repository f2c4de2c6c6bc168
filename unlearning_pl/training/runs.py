"""Reading of a run folder: its configuration, split, record, learner and data."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from unlearning_pl.data import ForgetRequest, Source, UnlearningData
from unlearning_pl.data.splits.manifest import MANIFEST as MANIFEST
from unlearning_pl.deprecated.old_settings import upgrade_settings
from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.training.parser_mode import PARSER_MODE
from unlearning_pl.training.run_file_checks import check_split
from unlearning_pl.training.run_record import RECORD as RECORD
from unlearning_pl.training.run_record import read_json_object
from unlearning_pl.training.run_record import read_record as read_record
from unlearning_pl.training.trusted_classes import check_classes
from unlearning_pl.training.weights import load_weights
from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml

CONFIG = "config.yaml"
_EXPECTED: dict[str, type] = {"model": Learner, "data": UnlearningData, "source": Source}


def read_config(run: str | Path) -> dict[str, Any]:
    """Read a run's configuration, config.yaml.

    Raises:
        InputError: If the folder holds no run, or the file is damaged.
    """
    path = Path(run) / CONFIG
    require(
        path.is_file() or not (Path(run) / RECORD).is_file(),
        f"Expected a run folder with {CONFIG}, got {run}, which has none, as a run of a Python program. Audit the "
        "model in the program by UnlearningTrainer.audit, or train it with unlearning-pl.",
    )
    require(path.is_file(), f"Expected a run folder with {CONFIG}, got {run}. Give one that fit or unlearn wrote.")
    fault = "something else"
    try:
        config = read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        config, fault = None, describe_fault(error)
    require(
        isinstance(config, dict) and all(isinstance(config.get(key), dict) for key in ("model", "data")),
        f"Expected the keys model and data in {path}, got {fault}. Restore the file or train again.",
    )
    return dict(upgrade_settings(config))


def read_split(run: str | Path) -> dict[str, Any]:
    """Read a run's split.json: fingerprint, request, ids; see ``write_manifest``.

    Raises:
        InputError: If the file is absent or damaged.
    """
    path = Path(run) / MANIFEST
    require(path.is_file(), f"Expected a run folder with {MANIFEST}, got {run}. Give one that fit or unlearn wrote.")
    split = read_json_object(path)
    check_split(split, path)
    return split


def open_learner(run: str | Path, allow: Sequence[str] = ()) -> Learner:
    """Build a run's learner and load its weights.

    Args:
        run: The run folder.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.

    Raises:
        InputError: If the folder holds no run, it names another class, or its weights do not fit the learner.
    """
    learner: Learner = instantiate_from_run(run, "model", allow)
    load_weights(learner, run)
    return learner


def open_data(run: str | Path, allow: Sequence[str] = (), options: Sequence[str] = ()) -> UnlearningData:
    """Build a run's data module and load its split.

    Args:
        run: The run folder.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.
        options: Words of a command line, ``--data.*`` with values, that change the run's own settings.

    Raises:
        InputError: If the folder holds no run, it names another class, or the data have changed since.
        ArgumentError: If an option is unknown, or its value has the wrong type.
    """
    data: UnlearningData = instantiate_from_run(run, "data", allow, options)
    data.load_split(Path(run) / MANIFEST)
    return data


def trusted_settings(
    run: str | Path, allow: Sequence[str] = (), keys: Sequence[Literal["model", "data"]] = ("model", "data")
) -> dict[str, Any]:
    """Read the settings of a run's model and data for a parser, which imports the classes that they name.

    Args:
        run: The run folder.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.
        keys: What to read of its configuration.

    Raises:
        InputError: If the folder holds no run, or its configuration names another class.
    """
    config = read_config(run)
    settings: dict[str, Any] = {key: config[key] for key in keys}
    for key, value in settings.items():
        check_classes(value, _EXPECTED[key], allow, Path(run) / CONFIG)
    return settings


def instantiate_from_run(
    run: str | Path,
    key: Literal["model", "data", "source"],
    allow: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Any:
    """Instantiate the learner, the data module or the source of a run's configuration; reads no weights and no images.

    Args:
        run: The run folder.
        key: What to instantiate; nothing else that the configuration names is imported.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.
        options: Words of a command line, ``--KEY.*`` with values, that change the run's own settings.

    Raises:
        InputError: If the folder holds no run, it names another class, or this version cannot parse its settings.
        ArgumentError: If an option is unknown, or its value has the wrong type.
    """
    config = read_config(run)
    config["source"] = config["data"].get("source") or {"class_path": "unlearning_pl.data.Digits"}
    check_classes(config[key], _EXPECTED[key], allow, Path(run) / CONFIG)
    parser = ArgumentParser(exit_on_error=False, parser_mode=PARSER_MODE)
    if key == "data":
        parser.add_class_arguments(UnlearningData, key)
    else:
        parser.add_subclass_arguments(_EXPECTED[key], key)
    try:
        settings = parser.parse_object({key: config[key]})
    except ArgumentError as error:
        raise InputError(
            f"Expected settings under {key} that this version reads, got {run}/{CONFIG}: {error}"
        ) from error
    return parser.instantiate_classes(parser.parse_args([*options], namespace=settings) if options else settings)[key]


def apply_forget_request(original: str | Path, data: UnlearningData, forget: ForgetRequest) -> None:
    """Split the data as the original run did, and apply a new forget request.

    If the original run has forgotten images, or was not trained on its forget set, the request adds to that forget set;
    without a request, unlearning continues with the original run's own request. If the original was trained on all
    images, or is a checkpoint file, the request replaces an earlier one.

    Args:
        original: The run folder or the checkpoint that unlearning starts from.
        data: The original's data module, which is changed.
        forget: The new request; the data module's own request is used if this one is empty.

    Raises:
        InputError: If the run is not finished, there is no request, or the request cannot be met.
    """
    request = forget if forget.given() else data.forget
    further = False
    parent = Path(original).resolve().parent.parent
    require(
        Path(original).is_dir() or not (parent / RECORD).is_file() or "original" not in read_record(parent),
        f"Expected the folder of a run that has forgotten before, got its checkpoint {original}. Give {parent}.",
    )
    if Path(original).is_dir():
        record, further = read_record(original), has_forgotten(original)
        data.load_split(Path(original) / MANIFEST)
        if further and not forget.given():
            _check_continued_request(original, data, unlearned="original" in record)
            return
    if request.given():
        data.request(request, further)
    require(
        len(data.positions("forget")) > 0,
        "Expected a forget request, got none. Add one, for instance --forget.fraction 0.1.",
    )


def has_forgotten(run: str | Path) -> bool:
    """Whether a finished run has forgotten, or was never trained on, a forget set: a new request adds to it."""
    record = read_record(run)
    return "original" in record or record.get("train_on") != "all"


def _check_continued_request(run: str | Path, data: UnlearningData, unlearned: bool) -> None:
    """Check that unlearning can continue with a run's own request: it unlearned, and data.forget names no other."""
    require(
        unlearned,
        f"Expected a further forget request, got none, and {run} was never trained on its own "
        f"{data.splits.counts()['forget']} forget images. Add a request, for instance --forget.fraction 0.1.",
    )
    earlier = [step.request.given() for step in data.splits.steps]
    require(
        data.forget.given() in [{}, *earlier],
        f"Expected a further request to {run} as --forget, got data.forget = {data.forget.given()}. "
        "Give it as --forget, or remove data.forget to continue with the earlier request.",
    )


def lineage(run: str | Path) -> list[str]:
    """Return the SHA-256 of the weights of all ancestors of a run, oldest first; an empty list for a checkpoint file.

    The first is that of the file that an imported run was made of.

    Raises:
        InputError: If the run is not finished.
    """
    if not Path(run).is_dir():
        return []
    record = read_record(run)
    parent = [record["original_sha256"]] if "original_sha256" in record else []
    file = [record["imported"]["sha256"]] if "imported" in record else []
    return [*file, *record.get("lineage", parent)]


def environment() -> dict[str, Any]:
    """Versions and hardware, as in records and reports."""
    names = ("unlearning-pl", "torch", "torchvision", "lightning", "lightly", "torchmetrics", "kornia")
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in names}},
        "hardware": f"{device}, {platform.machine()}",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a source tree on the path, without an installation
        return "not installed"
