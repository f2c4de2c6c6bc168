"""Metrics equal the functions that they wrap, in any order of batches and on any number of processes."""

import json
from pathlib import Path

import pytest
import torch
from launching import launch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from two_metrics import METRICS, updates, value

from unlearning_pl.errors import InputError
from unlearning_pl.functional import (
    alignment,
    confidence,
    learned_attacks,
    roc,
    shadow_models,
    similarity,
    threshold_attack,
)
from unlearning_pl.metrics import KLOM, EncoderMI, LinearCKA, MembershipAUC, TPRAtFPR

names = pytest.mark.parametrize("name", METRICS)


def by_function(name: str) -> Tensor:
    """The value of all updates, by a function of all rows."""
    given = updates()[name]
    columns = [*zip(*given, strict=True)]

    def of_split(column: int, split: str) -> Tensor:
        return torch.cat([arguments[column] for arguments in given if arguments[-1] == split])

    def cut(scores: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return scores["forget"], *threshold_attack.equal_sizes(
            scores["retain"].sort().values, scores["test"].sort().values
        )

    splits = ("forget", "retain", "test")
    if name == "EncoderMI":
        scores = {
            split: threshold_attack.encoder_score(threshold_attack.pair_similarities(of_split(0, split)))
            for split in splits
        }
        return threshold_attack.encoder_mi(*cut(scores))
    if name == "ClassifierMI":
        scores = {split: confidence.confidence(of_split(0, split), of_split(1, split)) for split in splits}
        return learned_attacks.svc_attack(*cut(scores))
    if name == "KLOM":
        kinds = (torch.cat([margins for margins, unlearned in given if unlearned == kind]) for kind in (True, False))
        return shadow_models.klom(*kinds).mean()
    rows = [torch.cat(column) for column in columns]
    if name == "ForgettingScore":
        return alignment.forgetting_score(*(alignment.alignment_matrix(*rows[i : i + 2]) for i in (0, 2)))
    if name == "LinearCKA":
        return similarity.linear_cka(*rows)
    sets = rows[0][rows[1]], rows[0][~rows[1]]
    return roc.membership_auc(*sets) if name == "MembershipAUC" else roc.tpr_at_fpr(*sets, 0.2)


@names
def test_metric_equals_its_function(name: str) -> None:
    expected = by_function(name).item()
    assert value(METRICS[name](), updates()[name]) == pytest.approx(expected, abs=1e-6)
    assert expected not in (0, 1, 100)  # a value that an empty or a perfect set has as well


@names
def test_order_of_batches_says_nothing(name: str) -> None:
    given = updates()[name]
    expected = value(METRICS[name](), given)
    assert value(METRICS[name](), given[::-1]) == pytest.approx(expected, abs=1e-6)


@names
def test_reset_forgets_and_a_copy_remembers(name: str) -> None:
    metric, given = METRICS[name](), updates()[name]
    first = value(metric, given)
    metric.reset()
    assert value(metric, given) == first
    assert value(metric.clone().to(torch.device("cpu")), []) == first


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    folder = tmp_path_factory.mktemp("metrics")
    launch(Path(__file__).parents[1] / "two_metrics.py", str(folder))
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.ddp
@names
def test_two_processes_with_uneven_rows_have_the_value_of_one(name: str, two_processes: list[dict[str, float]]) -> None:
    expected = value(METRICS[name](), updates()[name])
    assert [found[name] for found in two_processes] == pytest.approx([expected, expected], abs=1e-6)


class Watched(LightningModule):
    """Logs a metric from its validation, as any module can."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.auc = nn.Linear(1, 1), MembershipAUC()

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.auc.update(batch[0], batch[1])
        self.log("auc", self.auc)


def test_lightning_logs_a_metric_over_all_batches() -> None:
    scores, member = torch.rand(20), torch.arange(20) < 12  # no batch of five has both kinds but one
    rows = list(zip(scores, member, strict=True))
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    (logged,) = Trainer(accelerator="cpu", devices=1, **quiet).validate(
        Watched(), DataLoader(rows, batch_size=5), verbose=False
    )
    assert logged["auc"] == pytest.approx(roc.membership_auc(scores[member], scores[~member]).item())


def test_images_of_a_split_may_be_missing_but_not_all_of_them() -> None:
    metric = EncoderMI()
    metric.update(torch.rand(4, 2, 3), "forget")
    metric.update(torch.rand(4, 2, 3), "retain")
    with pytest.raises(InputError, match="Expected rows of test, got none"):
        metric.compute()
    with pytest.raises(InputError, match="got 'training'"):
        metric.update(torch.rand(4, 2, 3), "training")


def test_matrices_of_one_column_stay_matrices() -> None:
    metric, rows = LinearCKA(), torch.rand(9, 1)
    metric.update(rows, 2 * rows)
    assert metric.compute() == pytest.approx(1)


def test_models_are_added_one_by_one_or_together() -> None:
    one_by_one, together, margins = KLOM(), KLOM(), torch.randn(6, 4)
    for row, margin in enumerate(margins):
        one_by_one.update(margin, unlearned=row < 3)
    together.update(margins[:3], unlearned=True)
    together.update(margins[3:], unlearned=False)
    assert one_by_one.compute() == together.compute()


def test_a_rate_is_a_share() -> None:
    with pytest.raises(InputError, match=r"Give 0\.01"):
        TPRAtFPR(5)
