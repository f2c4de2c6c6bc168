"""A folder with a model, its configuration and its card, as the Hugging Face hub holds them."""

import os
import shutil
import tempfile
from pathlib import Path

from unlearning_pl.export.export_weights import Dtype, converted, safetensors_bytes
from unlearning_pl.export.hub_models import HubModel
from unlearning_pl.io import named_errors, write_bytes, write_json, write_text


def write_folder(folder: Path, model: HubModel, card: str, dtype: Dtype | None = None) -> None:
    """Write weights, configuration and card to a folder: all of them or none, if the folder is new.

    Args:
        folder: The folder; files of the same names in it are replaced, others stay.
        model: Weights and configuration.
        card: Content of README.md.
        dtype: Type of all floating-point tensors; by default each has its own.

    Raises:
        InputError: If a weight is too large for the type.
    """
    weights = safetensors_bytes(converted(dict(model.weights), dtype))
    is_new = not folder.exists()
    with named_errors(folder):
        temporary = Path(tempfile.mkdtemp(dir=folder.parent if is_new else folder, prefix=f".{folder.name}."))
        try:
            write_bytes(temporary / model.weights_name, weights)
            settings = {model.config_name: model.config, **model.other_files}
            for name, content in settings.items():
                write_json(temporary / name, content)
            write_text(temporary / "README.md", card)
            if is_new:
                temporary.chmod(0o755)  # mkdtemp makes it private
                os.replace(temporary, folder)
            else:  # which may be the working directory, and must stay the same folder
                for name in (model.weights_name, *settings, "README.md"):
                    os.replace(temporary / name, folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
