"""Folders that ``save_pretrained`` of transformers writes, as the files of weights in them."""

from pathlib import Path

from unlearning_pl.errors import require

_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def weights_file(path: Path) -> Path:
    """The file of weights in a folder of transformers; every other path is itself.

    Args:
        path: Any path.

    Raises:
        InputError: If the weights are in several files.

    Example:
        >>> weights_file(Path("w.pt")).name
        'w.pt'
    """
    if not path.is_dir() or not (path / _CONFIG).is_file() or (path / "config.yaml").is_file():
        return path
    parts = [*path.glob("*.index.json")]
    require(
        not parts,
        f"Expected one file of weights in {path}, got several by {parts[0].name if parts else ''}. Save it with "
        "save_pretrained(FOLDER, max_shard_size='100GB').",
    )
    return next((path / name for name in _WEIGHTS if (path / name).is_file()), path)


def saved_architecture(file: Path) -> str | None:
    """Name of the backbone by the configuration beside a file of weights; None if there is none.

    Example:
        >>> saved_architecture(Path("w.pt")) is None
        True
    """
    is_saved = file.name in _WEIGHTS and (file.parent / _CONFIG).is_file()
    return f"transformers/{file.resolve().parent}" if is_saved else None
