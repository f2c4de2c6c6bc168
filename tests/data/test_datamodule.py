from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.data import Digits, ForgetRequest, UnlearningData, write_manifest
from unlearning_pl.data.loaders import Rows
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.errors import InputError
from unlearning_pl.types import Batch, Sample


class Seen(Callback):
    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.held_out: list[Sample] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        self.batches.append(batch)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Sample, *_: Any) -> None:
        self.held_out.append(batch)


def seen(name: str = "SimCLR", **options: Any) -> Seen:
    callback = Seen()
    make_trainer(max_epochs=1, callbacks=[callback]).fit(make_learner(name), datamodule=make_data(**options))
    return callback


def test_retraining_never_reads_what_is_held_out_or_forgotten() -> None:
    data = make_data(train_on="retain")
    callback = seen(train_on="retain")
    rows = {row for batch in callback.batches for sample in batch.values() for row in sample.index.tolist()}
    assert rows
    assert rows <= set(data.positions("retain").tolist())


def test_the_original_is_trained_on_all_but_what_is_held_out() -> None:
    batches = seen(batch_size=43).batches
    assert set(batches[0]["train"].index.tolist()) == set(make_data().positions("train").tolist())


def test_rows_carry_their_own_image_and_target() -> None:
    data = make_data()
    images, targets = Digits(train_size=48, image_size=8).load()[0].images, data.load()[0].targets
    sample = seen("Classifier").held_out[0]
    clean = (images[sample.index].float() / 255 - data.source.mean[0]) / data.source.std[0]
    torch.testing.assert_close(sample.views[0], clean)
    assert torch.equal(sample.target, targets[sample.index])


def test_learners_get_as_many_augmented_views_as_they_read() -> None:
    contrastive, classifier = seen("SimCLR").batches[0]["train"], seen("Classifier").batches[0]["train"]
    assert len(contrastive.views) == 2
    assert not torch.equal(*contrastive.views)
    assert len(classifier.views) == 1


def test_what_is_drawn_follows_from_the_place_in_the_run() -> None:
    first = seen()
    torch.rand(5)
    again = seen()
    for ours, theirs in zip(first.batches, again.batches, strict=True):
        assert torch.equal(ours["train"].views[0], theirs["train"].views[0])
    assert not torch.equal(first.batches[0]["train"].views[0], first.batches[1]["train"].views[0])


@pytest.mark.parametrize("name", ["SimCLR", "Classifier"])
def test_two_processes_draw_views_of_their_own(name: str) -> None:
    """The same rows in the same step, of which each process sees other views, and sees them again."""
    data, drawn = make_data(), []
    data.load()
    for rank in (0, 1, 0):
        loop, module = SimpleNamespace(total_batch_idx=3), make_learner(name)
        data.trainer = SimpleNamespace(global_rank=rank, fit_loop=loop)
        rows = Rows(torch.arange(5), None, SamplePlan.training(InputSpec.of(module), seed=0), first=0)
        drawn.append(data.on_after_batch_transfer({"train": rows}, 0)["train"].views)
    first, second, again = drawn
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(first, again, strict=True))
    assert not any(torch.equal(ours, theirs) for ours, theirs in zip(first, second, strict=True))


def test_an_earlier_split_is_adopted_with_another_request(tmp_path: Path) -> None:
    data = make_data(forget=ForgetRequest())
    write_manifest(tmp_path / "split.json", data.splits, data.ids)
    other = make_data(validation=0.3)
    other.load_split(tmp_path / "split.json")
    other.request(ForgetRequest(count=5))
    assert torch.equal(other.positions("validation"), data.positions("validation"))
    assert len(other.positions("forget")) == 5
    assert torch.equal(other.positions("train"), data.positions("train"))


def test_other_data_are_refused(tmp_path: Path) -> None:
    data = make_data()
    write_manifest(tmp_path / "split.json", data.splits, data.ids)
    other = UnlearningData(Digits(train_size=47, image_size=8))
    with pytest.raises(InputError, match="fingerprint"):
        other.load_split(tmp_path / "split.json")


def test_retraining_without_a_request_is_refused() -> None:
    with pytest.raises(InputError, match=r"forget request with data.train_on = retain, got none"):
        make_trainer().fit(make_learner("SimCLR"), datamodule=make_data(forget=ForgetRequest(), train_on="retain"))


def test_predict_sees_every_image_once_and_clean() -> None:
    data, learner = make_data(), make_learner("SimCLR")
    batches = make_trainer().predict(learner, datamodule=data)
    index = torch.cat([index for index, _ in batches])
    assert index.tolist() == list(range(len(data.ids)))
    assert torch.cat([features for _, features in batches]).shape == (len(data.ids), learner.feature_dim)
