"""An audit on the device measures what one on the CPU does."""

from typing import Any

import pytest
import torch
from tiny import LEARNERS, make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.audits import Embeddings, compute_audit
from unlearning_pl.data import Views
from unlearning_pl.data.pool import Pool
from unlearning_pl.types import Split

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation"),
]
CASES = [pytest.param(name, marks=() if name in ("SimCLR", "CLIP") else pytest.mark.slow) for name in LEARNERS]


class HostShift(Views):
    """Shifts images by pixels that the CPU draws: a GPU would draw other views than the CPU."""

    def forward(self, images: Tensor) -> Tensor:
        return images.roll(int(torch.randint(1, 8, ())), dims=-1)


@pytest.fixture
def _float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images in float64: kernels of float32 may differ by much more than the devices do."""
    normalise = Pool.normalise
    monkeypatch.setattr(Pool, "normalise", lambda pool, view, *pixels: normalise(pool, view.double(), *pixels))


def embeddings(name: str, **options: Any) -> dict[Split, Embeddings]:
    torch.manual_seed(0)
    learner = make_learner(name).double()
    trainer = make_trainer(logger=False, **options)
    return trainer.embed({name: learner}, make_data(views=HostShift()), views=3)[name]


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("name", CASES)
def test_the_device_measures_what_the_cpu_does(name: str, options: dict[str, Any]) -> None:
    expected, measured = embeddings(name), embeddings(name, **options)
    assert expected.keys() == measured.keys()
    for split, look in expected.items():
        for column, value in vars(look).items():
            if value is not None:
                other = getattr(measured[split], column)
                torch.testing.assert_close(other, value, rtol=1e-5, atol=1e-6, equal_nan=True, msg=column)
    metrics = compute_audit(name, measured).metrics
    assert metrics == pytest.approx(compute_audit(name, expected).metrics, rel=1e-3, abs=0.01)
    assert expected["forget"].similarities.std() > 1e-4
