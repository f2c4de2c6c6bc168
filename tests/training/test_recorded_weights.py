"""The digest of a run's weights: what it depends on, what it binds, and who compares it."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.dense_tensors import check_tensors
from unlearning_pl.training.recorded_weights import DIGEST, check_recorded, is_recorded, run_digest, tensors_digest
from unlearning_pl.training.weights import load_weights

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.bool)
STATES = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.tuples(st.lists(st.integers(0, 3), max_size=4), st.sampled_from(DTYPES), st.integers(0, 99)),
    min_size=1,
    max_size=4,
)


def tensors(state: dict[str, tuple[list[int], torch.dtype, int]]) -> dict[str, Tensor]:
    made = {}
    for name, (shape, dtype, seed) in state.items():
        numbers = torch.randint(-5, 5, shape, generator=torch.Generator().manual_seed(seed))
        made[name] = numbers.to(dtype)
    return made


def plainly(state: dict[str, Tensor]) -> str:
    """The same digest, written without torch's views: the bytes of each tensor as torch's list of its numbers."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(repr((name, str(state[name].dtype), tuple(state[name].shape))).encode())
        for number in state[name].flatten():
            digest.update(bytes(number[None].view(torch.uint8).tolist()))
    return digest.hexdigest()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STATES)
def test_the_digest_depends_on_names_and_values_alone(described: dict[str, Any]) -> None:
    state = tensors(described)
    expected = tensors_digest(state)
    assert expected == plainly(state)
    assert expected == tensors_digest(dict(reversed(state.items())))
    strided = {name: torch.stack([value, value], dim=-1)[..., 0] for name, value in state.items()}
    assert expected == tensors_digest(strided | {"note": "no tensor"})


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STATES, st.data())
def test_any_change_changes_the_digest(described: dict[str, Any], data: st.DataObject) -> None:
    state = tensors(described)
    name = data.draw(st.sampled_from(sorted(state)))
    value, rest = state[name], {other: state[other] for other in state if other != name}
    changes: list[dict[str, Tensor]] = [rest, {**rest, name + "'": value}, {**rest, name: value[None]}]
    changes.append({**rest, name: value.to(torch.float16)})
    if value.numel():
        changed = value.clone().flatten()
        changed[0] = ~changed[0] if value.dtype == torch.bool else changed[0] + 1
        changes.append({**rest, name: changed.view(value.shape)})
    digests = {tensors_digest(each) for each in [state, *changes]}
    assert len(digests) == 1 + len(changes)


def test_the_digest_is_that_of_any_file_and_memory_format(tmp_path: Path) -> None:
    learner = make_learner("MoCo")
    expected = tensors_digest(learner.state_dict())
    save_file({name: value.clone() for name, value in learner.state_dict().items()}, tmp_path / "a.safetensors")
    torch.save(learner.to(memory_format=torch.channels_last).state_dict(), tmp_path / "a.pt")
    assert any(not value.is_contiguous() for value in learner.state_dict().values())
    assert tensors_digest(load_file(tmp_path / "a.safetensors")) == expected
    assert tensors_digest(torch.load(tmp_path / "a.pt", weights_only=True)) == expected
    assert tensors_digest(learner.state_dict()) == expected


def train(run: Path, seed: int = 0, **options: Any) -> Learner:
    torch.manual_seed(seed)
    learner = make_learner("SimCLR")
    trainer = make_trainer(run, **{"max_epochs": 1, **options})
    trainer.fit(learner, datamodule=make_data())
    return learner


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, and one whose checkpoint is the other's."""
    folder = tmp_path_factory.mktemp("runs")
    train(folder / "one")
    train(folder / "two", seed=1)
    shutil.copytree(folder / "one", folder / "swapped")
    shutil.copy(folder / "two/checkpoints/last.ckpt", folder / "swapped/checkpoints/last.ckpt")
    return folder


def test_a_run_records_what_a_reader_computes(made: Path, tmp_path: Path) -> None:
    learner = train(tmp_path / "run", enable_checkpointing=True)
    assert runs.read_record(tmp_path / "run")[DIGEST] == run_digest(tmp_path / "run")
    assert runs.read_record(tmp_path / "run")[DIGEST] == tensors_digest(learner.state_dict())
    check_recorded(made / "one")
    assert runs.read_record(made / "one")[DIGEST] != runs.read_record(made / "two")[DIGEST]


def test_a_run_without_checkpoints_records_no_digest(tmp_path: Path) -> None:
    train(tmp_path / "run", enable_checkpointing=False)
    assert DIGEST not in runs.read_record(tmp_path / "run")


def test_auxiliary_modules_and_optimiser_do_not_count(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "one", tmp_path / "run")
    checkpoint = read_checkpoint(made / "one")
    stripped = {"state_dict": checkpoint["state_dict"], "auxiliary_modules": {"head": torch.ones(2)}}
    torch.save(stripped, tmp_path / "run/checkpoints/last.ckpt")
    check_recorded(tmp_path / "run")


STRANGE = {
    "terabytes": ({"w": torch.ones(1).expand(10**12)}, "got w of 4000000000000 bytes with 4 in the file"),
    "meta": ({"w": torch.ones(2, device="meta")}, "on meta, as w"),
    "sparse": ({"w": torch.eye(3).to_sparse()}, "torch.sparse_coo, torch.float32, on cpu, as w"),
    "a number": ({5: torch.ones(1)}, "got the key 5"),
    "a list": ({"w": [1]}, "got list as w"),
}


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("name", STRANGE)
def test_tensors_are_checked_before_a_digest_reads_them(name: str, recorded: bool, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "one", tmp_path / "run")
    checkpoint, (changed, message) = read_checkpoint(made / "one"), STRANGE[name]
    torch.save({"state_dict": {**checkpoint["state_dict"], **changed}}, tmp_path / "run/checkpoints/last.ckpt")
    if not recorded:
        record = runs.read_record(made / "one")
        del record[DIGEST]
        (tmp_path / "run/run.json").write_text(json.dumps(record))
        check_recorded(tmp_path / "run")  # nothing to compare with
    with pytest.raises(InputError, match=message):
        load_weights(make_learner("SimCLR"), tmp_path / "run")
    with pytest.raises(InputError, match=message):
        run_digest(tmp_path / "run")


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation")
def test_quantised_tensors_and_types_of_less_than_a_byte_have_no_digest() -> None:
    with pytest.raises(InputError, match=r"torch\.qint8, on cpu, as w"):
        check_tensors({"w": torch.quantize_per_tensor(torch.ones(3), 1.0, 0, torch.qint8)}, "w.pt")
    with pytest.raises(InputError, match=r"got Tensor, torch\.strided, torch\.uint3, on cpu, as w"):
        check_tensors({"w": torch.empty(4, dtype=torch.uint3)}, "w.pt")


def test_runs_of_before_are_not_compared(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "swapped", tmp_path / "run")
    record = runs.read_record(made / "swapped")
    del record[DIGEST]
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    assert is_recorded(tmp_path / "run", run_digest(tmp_path / "run"))
    load_weights(make_learner("SimCLR"), tmp_path / "run")


REFUSED = (
    r"weights that the run .*swapped ended with, got others in its checkpoints/last\.ckpt.*Restore the file or train"
)


def test_readers_refuse_other_weights(made: Path, tmp_path: Path) -> None:
    swapped = made / "swapped"
    with pytest.raises(InputError, match=REFUSED):
        load_weights(make_learner("SimCLR"), swapped)
    with pytest.raises(InputError, match=REFUSED):
        make_trainer(tmp_path / "u").unlearn(make_learner("SimCLR"), make_data(), str(swapped))
    with pytest.raises(InputError, match=REFUSED):
        make_trainer(tmp_path / "f").fit(make_learner("SimCLR"), datamodule=make_data(), weights=str(swapped))
    with pytest.raises(InputError, match=REFUSED):
        make_trainer(swapped, max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data(), ckpt_path="last")
    assert not (tmp_path / "u").exists()
    load_weights(make_learner("SimCLR"), swapped / "checkpoints/last.ckpt")  # a file is bound to no record


DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"


def test_commands_refuse_other_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {QUIET}"
    assert main(f"{fit} --run original".split()) == 0
    assert main(f"unlearn --original original --run swapped --forget.count 8 {QUIET} --allow tiny".split()) == 0
    shutil.copy("original/checkpoints/last.ckpt", "swapped/checkpoints/last.ckpt")
    capsys.readouterr()
    for words in (
        "predict --run swapped",
        "test --run swapped",
        "unlearn --original swapped --forget.count 3",
        "split --original swapped --hardest 3",
        "shadow --model swapped --original original --count 4",
    ):
        assert main([*words.split(), "--allow", "tiny"]) == 2, words
        assert "weights that the run swapped ended with" in " ".join(capsys.readouterr().err.split()), words
    with pytest.raises(InputError, match="ended with"):
        open_encoder("swapped", allow=["tiny"])
