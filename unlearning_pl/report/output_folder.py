"""Where a report goes."""

from pathlib import Path

from unlearning_pl.errors import InputError
from unlearning_pl.io import write_text


def make_output_folder(folder: Path) -> Path:
    """Make a folder where it is missing, and refuse it before anything is computed if it cannot be written to.

    Raises:
        InputError: If nothing can be written there.

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
            f"Expected a place to write, got {folder} ({error.strerror}). Choose another --output."
        ) from error
    return folder
