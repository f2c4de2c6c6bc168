"""Export of a run's model: the format, what may be written where, and the file or folder itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from unlearning_pl.errors import require, shown, suggest_names
from unlearning_pl.export.export_folder import write_folder
from unlearning_pl.export.export_weights import Dtype, Names, layout_of, write_weights
from unlearning_pl.export.hub_models import hub_model
from unlearning_pl.export.image_preprocessing import preprocessing_of
from unlearning_pl.export.model_card import model_card
from unlearning_pl.export.traced_model import OPSET, Output, TracedModel, to_onnx, to_torchscript
from unlearning_pl.io import write_bytes
from unlearning_pl.learners import Learner
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training import runs

Format = Literal["safetensors", "torch", "torchscript", "onnx", "huggingface"]
_ENDINGS: dict[str, Format] = {
    ".safetensors": "safetensors",
    ".pt": "torch",
    ".pth": "torch",
    ".ckpt": "torch",
    ".ts": "torchscript",
    ".onnx": "onnx",
}


class ExportOptions(NamedTuple):
    """What an export writes.

    Attributes:
        format: The format; by default it follows the ending of the file.
        like: File of weights to take names and layout from, in place of the run's original.
        names: ``original`` or ``own``; by default ``original`` for a run that comes from a file.
        dtype: Type of all floating-point weights; by default that of the original, or of the run.
        output: What a traced model returns; by default class scores of a classifier, else features.
        image_size: Height and width of the images, where neither source nor model states it.
        overwrite: Whether to replace what is there.
    """

    format: Format | None = None
    like: str | Path | None = None
    names: Names | None = None
    dtype: Dtype | None = None
    output: Output | None = None
    image_size: int | None = None
    overwrite: bool = False


def export_run(
    run: str | Path, to: str | Path, options: ExportOptions | None = None, allow: Sequence[str] = ()
) -> list[str]:
    """Write the model of a finished run as a file of another tool, or as a folder for the Hugging Face hub.

    Args:
        run: The run folder.
        to: The file or folder; it is written completely or not at all.
        options: Format, names, types, and whether to overwrite.
        allow: Packages or classes, besides those of this package, that the run's configuration may name.

    Returns:
        Sentences on what was written, and on what of it is no part of the model.

    Raises:
        InputError: If the run is not finished or has other weights than it ended with, the format is unknown or does
            not take an option, something is in the place of the file, or the original has another architecture.
    """
    options = ExportOptions() if options is None else options
    to = Path(to).expanduser()
    format = _format_of(to, options.format)
    _check_options(format, options)
    _check_not_a_run(to)
    _check_target(to, format, options.overwrite)
    runs.read_record(run)
    learner = runs.open_learner(run, allow)
    if format in ("safetensors", "torch"):
        return _export_weights(run, learner, to, format, options)
    preprocessing = preprocessing_of(run, learner, options.image_size, allow)
    size = preprocessing.resize.size
    if format == "huggingface":
        model = hub_model(learner, preprocessing, runs.read_config(run)["model"])
        write_folder(to, model, model_card(run, model, preprocessing), options.dtype)
        return [f"Model of {run} for {model.library}, with a card to complete: {to}"]
    traced = TracedModel(learner, preprocessing.pixels, options.output)
    write_bytes(to, to_onnx(traced, size) if format == "onnx" else to_torchscript(traced, size))
    kind = f"ONNX, opset {OPSET}" if format == "onnx" else "TorchScript"
    inputs = f"float32 images (B, 3, {size}, {size}) in [0, 1]"
    return [f"Model of {run} ({kind}; {inputs} to {traced.output}): {to}"]


def _export_weights(
    run: str | Path, learner: Learner, to: Path, format: Literal["safetensors", "torch"], options: ExportOptions
) -> list[str]:
    restored, file = layout_of(run, learner, options.like, options.names, options.dtype)
    write_weights(restored, to, format)
    names = "names of the learner's own" if file is None else f"names of {file}"
    types = {value.dtype for value in restored.weights.values() if value.is_floating_point()}
    numbers = " and ".join(sorted(str(one).removeprefix("torch.") for one in types))
    sentences = [f"Weights of {run} ({numbers}, {names}): {to}"]
    if restored.copied:
        first = f"{pluralize(len(restored.copied), 'tensor')}, first {shown(restored.copied[0])}"
        sentences.append(
            f"Warning: copied from the file, as no part of the model: {first}. "
            "What they hold of forgotten images stays in them."
        )
    if restored.left_out and format == "torch":
        sentences.append(f"Not written, beside the weights: {', '.join(map(shown, restored.left_out[:8]))}.")
    return sentences


def _format_of(to: Path, format: Format | None) -> Format:
    if format is not None:
        require(
            format in get_args(Format), f"Expected a format, got {format!r}. {suggest_names(format, get_args(Format))}"
        )
        return format
    require(
        to.suffix.lower() in _ENDINGS,
        f"Expected --to with an ending of {', '.join(_ENDINGS)}, got {to}. Change it, or give --format, for instance "
        "--format huggingface for a folder.",
    )
    return _ENDINGS[to.suffix.lower()]


def _check_options(format: Format, options: ExportOptions) -> None:
    """Refuse options that the format would ignore."""
    weights, traced = format in ("safetensors", "torch"), format in ("torchscript", "onnx")
    unused = {
        "--like": options.like is not None and not weights,
        "--names": options.names is not None and not weights,
        "--output": options.output is not None and not traced,
        "--image_size": options.image_size is not None and weights,
    }
    ignored = [name for name, given in unused.items() if given]
    require(not ignored, f"Expected no {ignored[0] if ignored else ''} with --format {format}, got one. Leave it out.")
    require(
        not traced or options.dtype in (None, "float32"),
        f"Expected --dtype float32 with {format}, got {options.dtype}. Leave it out, and convert the file with the "
        "tools of the runtime that is to run it.",
    )


def _check_target(to: Path, format: Format, overwrite: bool) -> None:
    require(to.parent.is_dir(), f"Expected a file in a folder that exists as --to, got {to}. Create {to.parent} first.")
    if format == "huggingface":
        require(not to.is_file(), f"Expected a folder as --to, got the file {to}. Choose another name.")
        require(
            overwrite or not to.is_dir() or not any(to.iterdir()),
            f"Expected an empty or new folder as --to, got {to}, which has files. Choose another, or add --overwrite.",
        )
        return
    require(not to.is_dir(), f"Expected a file as --to, got the folder {to}. Add a file name, or --format huggingface.")
    require(
        overwrite or not to.exists(),
        f"Expected a new file as --to, got {to}, which exists. Choose another, or add --overwrite.",
    )


def _check_not_a_run(to: Path) -> None:
    """Refuse to write over the files of a run, which would no longer be what its record says."""
    is_run = (to / runs.CONFIG).is_file()
    is_checkpoint = to.parent.name == "checkpoints" and (to.parent.parent / runs.CONFIG).is_file()
    is_record = to.name in (runs.CONFIG, runs.MANIFEST, runs.RECORD)
    require(
        not (is_run or is_checkpoint or is_record),
        f"Expected a file or folder of its own as --to, got {to}, which belongs to a run. Choose another place.",
    )
