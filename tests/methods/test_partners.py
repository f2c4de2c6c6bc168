"""What forget samples get from others in place of their own caption, label or view is wrong for them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.data.captions import Captions
from unlearning_pl.learners import Learner, SimCLR
from unlearning_pl.methods import AlignmentCalibration, RandomLabel, SalUn, Unlearner
from unlearning_pl.methods.partners import Partners, target_keys, target_kind
from unlearning_pl.methods.random_label import partners_for
from unlearning_pl.types import Batch, Sample

METHODS: dict[str, Callable[[], Unlearner]] = {
    "RandomLabel": RandomLabel,
    "SalUn": SalUn,
    "batch": AlignmentCalibration,
    "dataset": partial(AlignmentCalibration, partner="dataset"),
}
REQUESTS = {"class": ForgetRequest(classes=["3"]), "one": ForgetRequest(count=1), "five": ForgetRequest(count=5)}

RUNS = [(method, request) for method in METHODS for request in REQUESTS if method != "SalUn" or request == "class"]


def train(name: str, method: Unlearner, request: ForgetRequest, original: Path) -> tuple[list[Sample], UnlearningData]:
    """Samples of which a learner computes the loss in a short run, each row with what it is paired with."""
    samples, learner, data = [], make_learner(name), make_data(forget=request)
    losses = learner.losses

    def recorded(outputs: Any, sample: Sample) -> Tensor:
        if learner.training:  # not while the original is measured
            samples.append(sample)
        return losses(outputs, sample)

    def swapped(outputs: Any, sample: Sample, partner: Tensor) -> tuple[Any, Sample]:
        outputs, sample = swap(outputs, sample, partner)
        return outputs, sample if sample.text is None else sample._replace(text=sample.text[partner])

    swap, learner.swap_positives, learner.losses = learner.swap_positives, swapped, recorded
    make_trainer(max_epochs=1, logger=False, limit_val_batches=0).unlearn(
        learner, data, str(original), method, forget=request
    )
    return samples, data


def forgotten(samples: list[Sample], data: UnlearningData) -> Iterator[tuple[int, Any]]:
    """Class of each forget row, and the target or the text that it was trained with."""
    classes, gone = data.load()[0].targets, set(data.positions("forget").tolist())
    for sample in samples:
        found = sample.target if sample.text is None else sample.text
        for index, target in zip(sample.index.tolist(), found.tolist(), strict=True):
            if index in gone:
                yield int(classes[index]), target


@pytest.mark.parametrize(("method", "request_"), RUNS)
@pytest.mark.filterwarnings("ignore:.*(one image to forget|ll images to forget)")
def test_no_caption_that_is_lent_is_true(method: str, request_: str, originals: dict[str, Path]) -> None:
    """Captions are class names in two templates: a caption of the same class is true in other words too."""
    samples, data = train("CLIP", METHODS[method](), REQUESTS[request_], originals["CLIP"])
    texts = data.pool.text(24)
    of_class: dict[int, set[tuple[int, ...]]] = {}
    for image, target in enumerate(data.load()[0].targets.tolist()):
        of_class.setdefault(target, set()).update(tuple(text) for text in texts.all(torch.tensor([image]))[0].tolist())
    lent = [(target, tuple(text)) for target, text in forgotten(samples, data)]
    assert len(lent) >= 2
    assert not any(text in of_class[target] for target, text in lent)


@pytest.mark.parametrize(("method", "request_"), RUNS)
@pytest.mark.filterwarnings("ignore:.*(one image to forget|ll images to forget)")
def test_no_label_that_is_lent_is_true(method: str, request_: str, originals: dict[str, Path]) -> None:
    samples, data = train("Classifier", METHODS[method](), REQUESTS[request_], originals["Classifier"])
    lent = list(forgotten(samples, data))
    assert len(lent) >= 2
    assert all(target != own for own, target in lent)


class Fixed(SimpleNamespace):
    """A data module of so many images of given classes, the first of them to forget, with captions if given."""

    def __init__(self, forget: int, targets: list[int], captions: list[tuple[str, ...]] | None = None) -> None:
        places = {"forget": torch.arange(forget), "retain": torch.arange(forget, len(targets))}
        text = None if captions is None else Captions(captions, 24)
        super().__init__(positions=places.__getitem__, targets=torch.tensor(targets), captions=text)
        self.pool = SimpleNamespace(text=lambda length: text)

    def load(self) -> tuple[SimpleNamespace, None]:
        return SimpleNamespace(targets=self.targets), None

    def rows(self, index: list[int]) -> Sample:
        where = torch.tensor(index)
        views = torch.randn(2, len(index), 3, 8, 8).double()
        return Sample(
            tuple(views), self.targets[where], where, None if self.captions is None else self.captions.first(where)
        )

    def batch(self, retain: list[int], forget: list[int]) -> Batch:
        return {"retain": self.rows(retain), "forget": self.rows(forget)}


def plain(name: str) -> Learner:
    learner = make_learner(name).double().eval()
    learner.log = lambda *_, **__: None
    return learner


def test_a_target_is_what_the_learner_can_read() -> None:
    kinds = {name: target_kind(make_learner(name)) for name in ("SimCLR", "MoCo", "BYOL", "Classifier", "CLIP")}
    assert kinds == {"SimCLR": "image", "MoCo": "image", "BYOL": "image", "Classifier": "class", "CLIP": "caption"}
    assert target_kind(SimpleNamespace(num_views=1)) == "class"
    assert target_kind(SimpleNamespace(num_views=2)) == "image"


def test_images_with_a_caption_in_common_have_one_key() -> None:
    data = Fixed(2, [0] * 5, [("a", "b"), ("c",), ("b", "d"), ("D", "e"), ("f",)])  # tokens are lower case
    assert target_keys(plain("CLIP"), data).tolist() == [0, 1, 0, 0, 4]


@pytest.mark.parametrize(
    ("retain", "remedy"), [([1, 1, 2, 3], "retained images are their partners"), ([1, 1, 1], "they have no partner")]
)
@pytest.mark.parametrize("name", ["Classifier", "CLIP"])
def test_a_shared_target_is_told_once(name: str, retain: list[int], remedy: str) -> None:
    targets = [1, 1, 1, *retain]
    data = Fixed(3, targets, [(f"the {target}",) for target in targets])
    for method in (RandomLabel(), AlignmentCalibration()):
        if name == "Classifier" and isinstance(method, RandomLabel):  # it draws another label
            method.prepare(plain(name), data)
            continue
        with pytest.warns(UserWarning, match=remedy) as told:
            method.prepare(plain(name), data)
        assert len(told) == 1


def test_partners_come_from_the_batch_where_its_forget_rows_do_not_differ() -> None:
    """Though others of the forget set would."""
    data = Fixed(4, [1, 1, 2, 3, 1, 5, 1, 6])
    partners = Partners(plain("Classifier"), data)
    drawn = torch.stack([partners.in_batch(data.batch([4, 5, 6, 7], [0, 1])) for _ in range(50)])
    assert set(drawn.flatten().tolist()) == {1, 3}
    drawn = torch.stack([partners.in_batch(data.batch([4, 5, 6, 7], [0, 1, 2, 3])) for _ in range(50)])
    assert set(drawn[:, 0].tolist()) == {6, 7}
    drawn = torch.stack([partners.in_data(torch.tensor([0, 1, 2, 3]))[0] for _ in range(50)])
    assert [set(column.tolist()) for column in drawn.T] == [{2, 3}, {2, 3}, {0, 1, 3}, {0, 1, 2}]


@pytest.mark.filterwarnings("ignore:.*(one image to forget|ll images to forget)")
@pytest.mark.parametrize("name", ["Classifier", "CLIP"])
@pytest.mark.parametrize("make", METHODS.values())
def test_without_any_wrong_target_a_row_has_no_such_loss(name: str, make: Callable[[], Unlearner]) -> None:
    """One class, one caption: RandomLabel fine-tunes, and AlignmentCalibration keeps its other terms."""
    data, learner = Fixed(3, [1] * 8, [("the same",)] * 8), plain(name)
    data.samples_at = lambda index: data.rows(index.tolist())
    method = make()
    if name == "Classifier" and not isinstance(method, AlignmentCalibration):
        pytest.skip("it draws another label")
    if isinstance(method, AlignmentCalibration):
        method.beta = 0.0
    method.prepare(learner, data)
    batch = data.batch([3, 4, 5, 6], [0, 1])
    outputs = learner.outputs(
        joint := batch["retain"]._replace(
            views=tuple(torch.cat(pair) for pair in zip(batch["retain"].views, batch["forget"].views, strict=True)),
            target=torch.cat([batch["retain"].target, batch["forget"].target]),
            text=torch.cat([batch["retain"].text, batch["forget"].text]),
        )
    )
    torch.testing.assert_close(method.objective(learner, batch), learner.losses(outputs, joint)[:4].mean())


def test_a_learner_that_mismatches_pairs_itself_is_asked_to(originals: dict[str, Path]) -> None:
    asked = []

    class Own(SimCLR):
        borrows_targets = False

        def corrupt_targets(self, sample: Sample, other_name: Sample | None = None) -> Sample:
            assert other_name is None
            asked.append(sample)
            return sample

    trainer = make_trainer(max_epochs=1, logger=False, limit_val_batches=0)
    trainer.unlearn(Own("resnet9_slim", temperature=0.2), make_data(), str(originals["SimCLR"]), RandomLabel())
    assert asked


def test_a_learner_is_asked_whether_it_borrows_whatever_its_parameters_are_called() -> None:
    class Wrapped(SimCLR):
        def corrupt_targets(self, *args: Any, **options: Any) -> Sample:
            return super().corrupt_targets(*args, **options)

    data = Fixed(3, [0] * 8)
    assert partners_for(Wrapped("resnet9_slim"), data) is not None
    assert partners_for(plain("Classifier"), data) is None
    assert partners_for(SimpleNamespace(num_views=2, corrupt_targets=lambda sample: sample), data) is None


@pytest.mark.parametrize(
    ("name", "captions", "reason"),
    [
        ("CLIP", [("a", "b"), ("b", "c"), ("c",), ("d",)], "^Captions in common link all images to forget: retained"),
        ("CLIP", [("a",), ("d",)], "^There is one image to forget: retained"),
        ("SimCLR", [("a",), ("d",)], "^There is one image to forget: retained"),
        ("Classifier", [("a",), ("b",), ("c",), ("d",)], "^All images to forget are of one class: they have no"),
    ],
)
def test_the_warning_says_what_they_share(name: str, captions: list[tuple[str, ...]], reason: str) -> None:
    data = Fixed(len(captions) - 1, [1] * len(captions), captions)
    with pytest.warns(UserWarning, match=reason):
        Partners(plain(name), data)
