"""Output folders, checked for write access before anything is computed."""

from pathlib import Path

from unlearning_pl.errors import InputError
from unlearning_pl.io import write_text


def make_output_folder(folder: Path, option: str = "--output") -> Path:
    """Create a folder if it does not exist, and check that it is writable before anything is computed.

    Args:
        folder: The folder.
        option: The option that chooses it, for the message.

    Raises:
        InputError: If the folder cannot be created or is not writable.

    Example:
        >>> import tempfile
        >>> make_output_folder(Path(tempfile.mkdtemp()) / "new").name
        'new'
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / ".writable", "").unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Expected a writable folder, got {folder} ({error.strerror}). Choose another {option}."
        ) from error
    return folder
