"""Put the weights of a file into a run folder, as they are, so that every command can start from them."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.data import UnlearningData, write_manifest
from unlearning_pl.errors import require, shown
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoint_files import CHECKPOINT, ORIGINAL, AtomicCheckpointIO, weights_digest
from unlearning_pl.training.match_weights import MatchedWeights, match_weights
from unlearning_pl.training.read_tensors import read_tensors
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.resume import NORMALISATION, SEED, normalisation
from unlearning_pl.training.run_folder import open_run_folder, write_record
from unlearning_pl.training.run_lock import lock_folder
from unlearning_pl.training.run_record import RECORD, read_record
from unlearning_pl.training.runs import MANIFEST
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.training.weights import check_weights, note_other_weights

IMPORTED = "imported"
"""Key, in the record of a run, of the file that it was made of."""
WEIGHTS = (".ckpt", ".pt", ".pth", ".bin", ".safetensors")
"""Suffixes of files of weights."""


def import_run(
    file: str | Path,
    run: str | Path,
    model: Learner,
    data: UnlearningData,
    configuration: str | None = None,
    command: Sequence[str] = (),
    overwrite: bool = False,
) -> MatchedWeights:
    """Write a finished run whose weights are those of a file, bit for bit.

    The record names the file, its SHA-256 and the map of names, so that the weights can go back under these names.

    Args:
        file: Weights of another tool: a checkpoint of torch, or safetensors.
        run: The run folder.
        model: The learner that the weights belong to; it gets them.
        data: The images that the model was trained on.
        configuration: Content of the run's config.yaml, which commands need to read the run; none from Python.
        command: Command line of the record.
        overwrite: Replace the run that the folder holds.

    Returns:
        The weights, with their names in the file.

    Raises:
        InputError: If the file holds no weights of the learner, the learner does not accept the images, or the folder
            is not empty.
    """
    file, folder = Path(file).expanduser(), Path(run)
    require_weights_file(file)
    content = read_tensors(file)
    state = find_state_dict(content, file)
    note_other_weights(content, state, file)
    matched = match_weights(model, state, file)
    check_weights(model, matched.state, file, matched.key_map)
    model.load_state_dict(matched.state)
    data.setup("fit")
    model.check(data.examples(), len(data.class_names))
    facts = {"file": str(file.resolve()), "sha256": weights_digest(file), "names": matched.key_map.name}
    with lock_folder(folder), open_run_folder(folder, overwrite, None, True, configuration):
        write_manifest(folder / MANIFEST, data.splits, data.ids)
        record = {"train_on": data.train_on, "seconds": None, "command": [*command], IMPORTED: facts}
        try:
            _write_checkpoint(folder, model, data)
            write_record(folder, record)
        except BaseException:  # with a checkpoint the folder would be kept, as that of a run to resume
            (folder / CHECKPOINT).unlink(missing_ok=True)
            raise
    return matched


def require_weights_file(file: Path) -> None:
    """Check that a file exists.

    Raises:
        InputError: If it does not, or is a folder; names the files of weights in it.

    Example:
        >>> require_weights_file(Path("nowhere.pt"))
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a file of weights, got nowhere.pt, which does not exist. Correct it.
    """
    remedy = "Correct it"
    if file.is_dir():
        inside = sorted(path.name for path in file.iterdir() if path.suffix.lower() in WEIGHTS)
        remedy = f"Give a file in it: {', '.join(map(shown, inside[:4]))}" if inside else "Give a file of weights"
    is_there = "is a folder" if file.is_dir() else "does not exist"
    require(file.is_file(), f"Expected a file of weights, got {file}, which {is_there}. {remedy}.")


def is_import_of(run: Path, file: Path) -> bool:
    """Whether a finished run was imported from a file of this content, and still has its weights.

    Raises:
        InputError: If the run has other weights than those that it was given.

    Example:
        >>> is_import_of(Path("nowhere"), Path("w.pt"))
        False
    """
    if not (run / RECORD).is_file() or read_record(run).get(IMPORTED, {}).get("sha256") != weights_digest(file):
        return False
    check_recorded(run)
    return True


def _write_checkpoint(folder: Path, model: Learner, data: UnlearningData) -> None:
    (folder / CHECKPOINT).parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "epoch": 0,
        "global_step": 0,
        SEED: None,
        ORIGINAL: None,
        NORMALISATION: normalisation(model, data),
    }
    AtomicCheckpointIO().save_checkpoint(content, folder / CHECKPOINT)
