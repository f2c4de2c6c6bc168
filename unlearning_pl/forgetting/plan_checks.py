"""Everything that can be wrong with a request to ``forget``, checked before anything is written."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jsonargparse import Namespace

from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.cli.instantiated_model import instantiate_for_file
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError, require
from unlearning_pl.forgetting.forget_plan import IMPORT, REQUEST, ForgetPlan, command_line
from unlearning_pl.forgetting.image_layout import Layout, guess_layout
from unlearning_pl.forgetting.named_images import read_named_images
from unlearning_pl.forgetting.recipe import Recipe, default_recipe
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.training.import_run import is_import_of
from unlearning_pl.training.model_files import FileModel, guess_file
from unlearning_pl.training.run_record import RECORD, read_json_object, read_record
from unlearning_pl.training.runs import CONFIG
from unlearning_pl.training.weights import load_weights
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml


class Prepared(NamedTuple):
    """A plan, with the model and data that it was checked on.

    Attributes:
        plan: The plan.
        learner: The model with the weights of the file.
        data: The data, with the request.
        notes: What was guessed, a sentence each.
        epochs: Epochs of unlearning.
    """

    plan: ForgetPlan
    learner: Learner
    data: UnlearningData
    notes: list[str]
    epochs: int


def make_plan(options: Namespace) -> Prepared:
    """Guess what is not given, and check the model, the images and the request.

    Args:
        options: Options of ``forget``.

    Raises:
        InputError: If a file cannot be read, the model does not fit the images, a name is that of no training image, or
            the output folder holds something else.
    """
    file = Path(options.model).expanduser()
    _check_options(options, file)
    layout, model = guess_layout(options.images, options.test), guess_file(file, options.architecture)
    recipe = default_recipe(model.build(), options.image_size or (model.resize.size if model.resize else 32))
    words = _import_options(options, layout, recipe, model)
    unlearn = _unlearn_options(options, recipe)
    epochs = _epochs(file, model, words, unlearn)
    learner, data, notes = _open(file, words, layout)
    ids = _requested_ids(options, layout, data)
    plan = ForgetPlan(options.model, options.out, words, unlearn, ids, options.retrain, data.splits.counts())
    _check_output(plan, layout)
    said = [] if options.architecture is None else [f"Model: {model.guessed}, by the name of the architecture."]
    parts = f"Images: {layout.train} (training) and {layout.test} (unseen), read by {layout.source}."
    return Prepared(plan, learner, data, [*said, parts, *notes], epochs)


def _check_options(options: Namespace, file: Path) -> None:
    require(
        not (file / CONFIG).is_file(),
        f"Expected a file of weights at --model, got the run {options.model}. "
        f"Run unlearning-pl unlearn --original {options.model} --forget.file {options.forget} instead.",
    )
    require(
        file.is_file(), f"Expected a file of weights at --model, got {options.model}, which is none. Correct the path."
    )
    require(
        options.method is None or not options.config,
        f"Expected --method or --config, got both, --method {options.method}. Write the method into the file.",
    )
    for name in ("image_size", "retrain"):
        value = options[name]
        require(
            value is None or value > 0, f"Expected --{name} of 1 or more, got {value}. Correct it, or leave it out."
        )


def _open(file: Path, words: list[str], layout: Layout) -> tuple[Learner, UnlearningData, list[str]]:
    """The model with its weights, and its data, which fit each other."""
    cli, notes = instantiate_for_file(file, words)
    learner, data = cli.model, cli.datamodule
    assert isinstance(learner, Learner)
    assert isinstance(data, UnlearningData)
    load_weights(learner, file)
    _check_classes(learner, data, layout)
    return learner, data, notes


def _epochs(file: Path, model: FileModel, words: list[str], unlearn: list[str]) -> int:
    """Epochs of unlearning; parses the options of ``unlearn``, so that a mistake in them comes before anything else."""
    known = ["--config", write_inline_yaml({"model": model.guessed.settings()})]
    command = ["unlearn", "--original", str(file), *known, *words]
    settings = configuration([*command, *unlearn])
    if unlearn[0] == "--config":
        _check_config(settings, configuration(command), unlearn[1])
    return int(settings["trainer"]["max_epochs"] or 0)


def _check_config(settings: Mapping[str, Any], before: Mapping[str, Any], name: str) -> None:
    """Check that a file of settings leaves model, images and request as they are."""
    other = [key for key in ("model", "forget") if settings.get(key) != before.get(key)]
    other += ["data.source"] if settings["data"]["source"] != before["data"]["source"] else []
    require(
        not other,
        f"Expected method, optimizer and epochs in --config, got {name} with another {' and '.join(other)}. "
        "Remove it there.",
    )


def _import_options(options: Namespace, layout: Layout, recipe: Recipe, model: FileModel) -> list[str]:
    size = [] if options.image_size is None else ["--data.source.image_size", str(options.image_size)]
    named = [] if options.architecture is None else model.guessed.options()
    return [*named, *layout.options(), *size, *recipe.data]


def _unlearn_options(options: Namespace, recipe: Recipe) -> list[str]:
    if options.config:
        return [word for path in options.config for word in ("--config", path)]
    if options.method is None:
        return recipe.unlearn
    settings = recipe.unlearn[recipe.unlearn.index("--optimizer") :]  # those before are the default method's own
    return ["--method", options.method, *settings]


def _check_classes(learner: Learner, data: UnlearningData, layout: Layout) -> None:
    names = data.class_names
    require(
        not isinstance(learner, Classifier) or len(names) == learner.num_classes,
        f"Expected images of as many classes as the model has, {getattr(learner, 'num_classes', 0)}, got {len(names)} "
        f"in {layout.train} ({', '.join(names[:4])}{' ...' if len(names) > 4 else ''}). Give the images that it was "
        "trained on, with a folder for each class, in the order of their names.",
    )
    learner.check(data.examples(), len(names))


def _requested_ids(options: Namespace, layout: Layout, data: UnlearningData) -> list[str]:
    train = [data.ids[row] for row in data.positions("train").tolist()]
    folders = [] if layout.folder is None else [layout.folder, Path(options.images)]
    ids = read_named_images(options.forget, train, [folder.expanduser() for folder in folders])
    data.request(ForgetRequest(ids=[*ids]))
    return ids


def _check_output(plan: ForgetPlan, layout: Layout) -> None:
    """Check that the output folder is new, or that of the same request."""
    out, request = plan.path(""), plan.path(REQUEST)
    parents = [out.resolve(), *out.resolve().parents]
    for images in (layout.train, layout.test):  # what is written there would be read as a class
        inside = Path(images).expanduser().resolve() in parents
        require(not inside, f"Expected --out outside of {images}, got {out}. Choose another folder.")
    exists = next(path for path in parents if path.exists())
    require(exists.is_dir(), f"Expected a folder as --out, got {out}, where {exists} is a file. Give another name.")
    require(
        os.access(exists, os.W_OK),
        f"Expected a folder that you may write to as --out, got {out}. Choose another, or change the permissions.",
    )
    if not out.exists() or not any(out.iterdir()):
        return
    remedy = "Choose another --out, or remove the folder."
    require(request.is_file(), f"Expected an empty folder as --out, got {out} with other files. {remedy}")
    recorded = read_json_object(request).get("forget")
    same = isinstance(recorded, list) and sorted(map(str, recorded)) == sorted(plan.ids)
    require(same, f"Expected the images of {request} to be forgotten again, got other ones. {remedy}")
    _check_import(plan, remedy)


def _check_import(plan: ForgetPlan, remedy: str) -> None:
    run = plan.path(IMPORT)
    if not (run / RECORD).is_file():
        return
    words: Sequence[str] = read_record(run)["command"]
    same = is_import_of(run, Path(plan.model).expanduser()) and [*words][1:] == plan.steps()[IMPORT]
    if not same:
        raise InputError(
            f"Expected {plan.model} as it was imported into {run}, got another file or other options than in "
            f"{command_line([*words][1:])}. {remedy}"
        )
