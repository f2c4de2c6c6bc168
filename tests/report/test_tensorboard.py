"""Events read back by TensorBoard's own reader."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unlearning_pl.audits import Audit, judge
from unlearning_pl.report import log_to_tensorboard


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_metrics_and_histograms_are_written(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = judge("ac", make(), seconds=2.0)
    log_to_tensorboard(tmp_path, audit, step=30)
    found = events(tmp_path)
    assert set(found.Tags()["scalars"]) == {f"audit/{key}" for key in audit.metrics}
    for key, value in audit.metrics.items():
        (event,) = found.Scalars(f"audit/{key}")
        assert event.step == 30
        assert event.value == pytest.approx(value, rel=1e-6)
    (image,) = found.Images("audit/scores")
    (tmp_path / "scores.png").write_bytes(image.encoded_image_string)
    with Image.open(tmp_path / "scores.png") as picture:
        assert len(picture.getcolors(maxcolors=1 << 20)) > 50  # not a blank page


def test_an_audit_without_scores_has_no_image(tmp_path: Path) -> None:
    log_to_tensorboard(tmp_path, Audit("ac", {"seconds": 1.0}, {}, torch.zeros(0, 0)))
    assert events(tmp_path).Tags()["images"] == []
