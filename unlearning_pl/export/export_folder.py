"""A folder with a model, its configuration and its card, as the Hugging Face hub holds them."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.export.export_weights import Dtype, converted, safetensors_bytes
from unlearning_pl.export.hub_models import HubModel
from unlearning_pl.io import named_errors, write_bytes, write_json, write_text


def write_folder(folder: Path, model: HubModel, card: str, dtype: Dtype | None = None) -> None:
    """Write weights, configuration and card to a folder: all of them or none, if the folder is new or empty.

    Args:
        folder: The folder; files of the same names in it are replaced, others stay.
        model: Weights and configuration.
        card: Content of README.md.
        dtype: Type of all floating-point tensors; by default each has its own.

    Raises:
        InputError: If a weight is too large for the type.
    """
    weights = safetensors_bytes(converted(dict(model.weights), dtype))
    with named_errors(folder):
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            write_bytes(temporary / model.weights_name, weights)
            settings = {model.config_name: model.config, **model.other_files}
            for name, content in settings.items():
                write_json(temporary / name, content)
            write_text(temporary / "README.md", card)
            temporary.chmod(0o755)  # mkdtemp makes it private
            _replace(temporary, folder, (model.weights_name, *settings, "README.md"))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, folder: Path, names: Sequence[str]) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        os.replace(temporary, folder)
        return
    for name in names:
        os.replace(temporary / name, folder / name)
