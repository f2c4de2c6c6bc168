"""Images that are decoded by workers are trained on, looked at and split like images in memory."""

import multiprocessing
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from image_files import by_class, encoded, pixels, truncated, write
from tiny import make_learner, make_trainer
from torch import Tensor, nn

from unlearning_pl.commands.main import main
from unlearning_pl.data import Folder, ForgetRequest, ImageSet, Source, UnlearningData
from unlearning_pl.data.loaders import PositionLoader, RowDataset, Rows, _as_it_is, index_loader
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.pool import ConcatImages, Pool
from unlearning_pl.errors import InputError
from unlearning_pl.images.encoded_images import EncodedImages
from unlearning_pl.methods import AlignmentCalibration

# Newer releases of Python warn of what every data loader on Linux does.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
PLAN = SamplePlan.training(InputSpec(), seed=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    root = tmp_path_factory.mktemp("images")
    return str(by_class(root / "train", each=20)), str(by_class(root / "test", each=4))


def make_data(folders: tuple[str, str], storage: Any = "stream", workers: int = 0) -> UnlearningData:
    source = Folder(*folders, image_size=8, storage=storage)
    request = ForgetRequest(count=6)
    return UnlearningData(source, forget=request, validation=0.1, batch_size=12, workers=workers)


def weights(module: nn.Module) -> Tensor:
    return torch.cat([value.flatten().float() for value in module.state_dict().values()])


def trained(data: UnlearningData, run: Path | None = None, **options: Any) -> Tensor:
    learner = make_learner("SimCLR")
    make_trainer(run, **options).fit(learner, datamodule=data)
    return weights(learner)


def test_any_number_of_workers_trains_to_the_weights_of_images_in_memory(folders: tuple[str, str]) -> None:
    held, streamed, worked = (
        (torch.manual_seed(0), trained(make_data(folders, storage, workers)))[1]
        for storage, workers in (("memory", 2), ("stream", 0), ("stream", 2))
    )
    assert torch.equal(held, streamed)
    assert torch.equal(streamed, worked)


@pytest.mark.parametrize("workers", [0, 1])
def test_methods_that_measure_and_look_up_partners_work_on_streams(workers: int, folders: tuple[str, str]) -> None:
    found = []
    for storage in ("memory", "stream"):
        torch.manual_seed(0)
        learner = make_learner("SimCLR")
        data = make_data(folders, storage, workers)
        method = AlignmentCalibration(partner="dataset")
        trainer = make_trainer(max_epochs=1, callbacks=[method])
        trainer.fit(learner, datamodule=data)
        found.append(weights(learner))
    assert torch.equal(*found)


def test_a_streamed_run_resumes_bit_for_bit(folders: tuple[str, str], tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = trained(make_data(folders, workers=1), max_epochs=2)
    torch.manual_seed(0)
    run = tmp_path / "run"
    trained(make_data(folders, workers=1), run, max_epochs=1)
    learner = make_learner("SimCLR")
    checkpoint = str(run / "checkpoints" / "last.ckpt")
    make_trainer(run, max_epochs=2).fit(learner, datamodule=make_data(folders, workers=2), ckpt_path=checkpoint)
    assert torch.equal(weights(learner), whole)


def test_audits_see_the_same_images(folders: tuple[str, str]) -> None:
    learner = make_learner("SimCLR")
    first, second = (
        make_trainer().predict(learner, datamodule=make_data(folders, storage, workers))
        for storage, workers in (("memory", 0), ("stream", 2))
    )
    for ours, theirs in zip(first, second, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_examples_and_splits_are_those_of_images_in_memory(folders: tuple[str, str]) -> None:
    held, streamed = make_data(folders, "memory"), make_data(folders)
    assert torch.equal(held.examples(), streamed.examples())
    for split in ("retain", "forget", "validation", "test"):
        assert torch.equal(held.positions(split), streamed.positions(split))


def test_workers_below_zero_are_refused(folders: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=r"data\.workers >= 0, got -1"):
        make_data(folders, workers=-1)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_fails_while_training_ends_it_in_one_line(
    workers: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train, test = by_class(tmp_path / "train", each=8), by_class(tmp_path / "test", each=1)
    write(train / "cat" / "z.jpg", truncated())
    source = f"--data.source Folder --data.source.train {train} --data.source.test {test} --data.source.image_size 8"
    model = "--model SimCLR --model.backbone resnet9_slim --data.batch_size 8"
    small = f"--trainer.max_epochs 1 --trainer.accelerator cpu --run {tmp_path / 'run'}"
    words = f"fit {model} {source} --data.source.storage stream --data.workers {workers} {small}"
    assert main([*words.split(), "--trainer.enable_progress_bar", "false"]) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "error:" in line]
    assert "Expected an image that Pillow reads, got " in line
    assert "z.jpg (image file is truncated" in line
    assert line.endswith("Repair it, or skip corrupt images with on_error: skip.")


def streamed_images(count: int = 5) -> EncodedImages:
    return EncodedImages([encoded(pixels(seed=row)) for row in range(count)], [f"{row}" for row in range(count)], 8)


def test_workers_may_be_spawned() -> None:
    joined = ConcatImages(streamed_images(), torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 8, 8))
    dataset = RowDataset(torch.tensor([7, 0, 6, 4]), PLAN, joined.read)
    context = multiprocessing.get_context("spawn")
    loader = PositionLoader(dataset, batch_size=2, collate_fn=_as_it_is, num_workers=1, multiprocessing_context=context)
    rows = list(loader)
    assert [batch.index.tolist() for batch in rows] == [[7, 0], [6, 4]]
    for batch in rows:
        assert torch.equal(batch.images, joined.read(batch.index))


def test_a_worker_hands_its_mistake_over() -> None:
    images = EncodedImages([encoded(pixels()), b"text"], ["a", "b"], 8)
    loader = index_loader(RowDataset(torch.arange(2), PLAN, images.read), rows=1, workers=1)
    batches = iter(loader)
    assert isinstance(next(batches), Rows)
    with pytest.raises(InputError, match="got b") as caught:
        next(batches)
    assert "\n" not in str(caught.value)


def test_what_goes_to_a_worker_has_no_ids() -> None:
    names = [f"train/{row:0200}" for row in range(1000)]
    images = EncodedImages([b"x"] * 1000, ["x"] * 1000, 8)
    train = ImageSet(images, torch.zeros(1000, dtype=torch.int64), names, [])
    test = ImageSet(images, train.targets, [f"t{name}" for name in names], [])
    dataset = RowDataset(torch.arange(3), PLAN, Pool(train, test, _Statistics()).images.read)
    assert len(pickle.dumps(dataset)) < 100_000


class _Statistics(Source):
    mean = std = (0.5, 0.5, 0.5)

    def load(self) -> tuple[ImageSet, ImageSet]:
        raise NotImplementedError


@pytest.mark.parametrize("held", [(True, True), (True, False), (False, True), (False, False)])
def test_a_pool_reads_both_sets_without_a_copy(held: tuple[bool, bool]) -> None:
    streams = streamed_images(4), streamed_images(5)[torch.tensor([4, 3])]
    tensors = [images.read(torch.arange(len(images))) for images in streams]
    parts = [tensor if storage else stream for storage, tensor, stream in zip(held, tensors, streams, strict=True)]
    joined = ConcatImages(*parts)
    everything = torch.cat(tensors)
    for index in ([5, 3, 0, 4], [1, 1], [5], [0, 1, 2, 3, 4, 5]):
        assert torch.equal(joined.read(torch.tensor(index)), everything[index])
    assert joined.streamed is not all(held)
    if held == (True, True):
        assert joined.train is parts[0]


def test_a_copy_on_a_device_has_both_sets_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = (torch.full((count, 3, 2, 2), count, dtype=torch.uint8) for count in (4, 2))
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, device, **more: empty(*shape, **more))
    device: Any = SimpleNamespace(type="mps")  # memory of a device, without one
    found = ConcatImages(train, test).on_device(device)
    assert found is not None
    assert torch.equal(found, torch.cat([train, test]))


def test_images_of_two_sizes_make_no_pool() -> None:
    with pytest.raises(InputError, match=r"of one shape, got \(3, 8, 8\) and \(3, 4, 4\)\. Set image_size"):
        ConcatImages(streamed_images(), torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
