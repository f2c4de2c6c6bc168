"""TF32 within a run on CUDA, which a device that is only named stands for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import train
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.training import cuda_precision as module
from unlearning_pl.training import trainer as trainer_module
from unlearning_pl.training.cuda_precision import cuda_precision
from unlearning_pl.training.resume_checks import check_resume

CUDA = torch.device("cuda")


def settings() -> tuple[str, bool]:
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is said; the settings are restored, whatever a test leaves."""
    lines: list[str] = []
    before = settings()
    monkeypatch.setattr(module, "rank_zero_info", lines.append)
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: True)
    module._announce.cache_clear()
    yield lines
    torch.set_float32_matmul_precision(before[0])
    torch.backends.cudnn.allow_tf32 = before[1]
    module._announce.cache_clear()


@pytest.mark.parametrize(
    ("before", "tf32", "expected"),
    [
        ("highest", True, ("high", True)),
        ("highest", False, ("highest", False)),
        ("medium", True, ("medium", True)),  # the user's
        ("high", False, ("highest", False)),
    ],
)
def test_the_precision_is_set_and_restored(before: str, tf32: bool, expected: tuple[str, bool]) -> None:
    torch.set_float32_matmul_precision(before)
    original = settings()
    with cuda_precision(CUDA, tf32):
        assert settings() == expected
    assert settings() == original
    with pytest.raises(KeyError), cuda_precision(CUDA, tf32):
        raise KeyError
    assert settings() == original


def test_it_is_said_once(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with cuda_precision(CUDA, tf32=False), cuda_precision(torch.device("cpu"), tf32=True):
        pass
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: False)  # an older device
    with cuda_precision(CUDA, tf32=True):
        pass
    assert said == []
    monkeypatch.setattr(torch.cuda, "is_tf32_supported", lambda: True)
    for _ in range(2):
        with cuda_precision(CUDA, tf32=True):
            pass
    assert len(said) == 1
    assert "--trainer.tf32 false" in said[0]


@pytest.mark.parametrize("tf32", [True, False])
def test_fits_and_audits_compute_in_it(tf32: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer_module, "cuda_precision", lambda device, tf32: cuda_precision(CUDA, tf32))
    seen: list[tuple[str, bool]] = []

    class Seen(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append(settings())

        def on_predict_batch_start(self, *_: Any) -> None:
            seen.append(settings())

    before = settings()
    learner, data = make_learner("SimCLR"), make_data()
    trainer = make_trainer(max_epochs=1, tf32=tf32, callbacks=[Seen()])
    trainer.fit(learner, datamodule=data)
    steps = len(seen)
    trainer.embed({"one": learner}, data, views=2)
    assert len(seen) > steps > 0
    assert set(seen) == {("high", True) if tf32 else ("highest", False)}
    assert settings() == before


def test_a_cpu_is_left_alone() -> None:
    before = settings()
    with cuda_precision(torch.device("cpu"), tf32=True):
        assert settings() == before


def test_a_resumed_run_keeps_it_on_cuda(tmp_path: Path) -> None:
    learner, trainer = train(tmp_path / "run", schedule="constant", max_epochs=1)
    path, data = tmp_path / "run/checkpoints/last.ckpt", trainer.datamodule
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["tf32"] is True

    def resume(tf32: bool, device: str) -> None:
        trainer.tf32 = tf32
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer.strategy, "_root_device", torch.device(device))
            check_resume(trainer, tmp_path / "run", path, learner, data)

    for tf32, device in ((True, "cuda"), (True, "cpu"), (False, "cpu")):
        resume(tf32, device)
    with pytest.raises(InputError, match=r"Expected `tf32=True` as in .* when resuming, got false"):
        resume(tf32=False, device="cuda")
    torch.save({key: value for key, value in checkpoint.items() if key != "tf32"}, path)  # of an earlier version
    for tf32 in (True, False):
        with pytest.warns(UserWarning, match=r"of a version without trainer\.tf32.*not bit for bit"):
            resume(tf32, device="cuda")


@pytest.mark.parametrize("tf32", [True, False])
@pytest.mark.parametrize("backend", [torch.backends.cuda.matmul, torch.backends.cudnn.conv])
def test_a_precision_set_by_the_newer_attributes_stays(backend: Any, tf32: bool) -> None:
    before = backend.fp32_precision
    backend.fp32_precision = "ieee" if backend is torch.backends.cudnn.conv else "tf32"
    chosen = backend.fp32_precision
    try:
        with pytest.warns(UserWarning, match="trainer.tf32 has no effect"), cuda_precision(CUDA, tf32):
            assert backend.fp32_precision == chosen
        assert backend.fp32_precision == chosen
    finally:
        backend.fp32_precision = before


def test_commands_omit_lightnings_line_about_tensor_cores(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    from unlearning_pl.quiet_libraries import quiet_libraries

    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    before = [*logger.filters]
    try:
        quiet_libraries()
        with caplog.at_level(logging.INFO, logger=logger.name):
            logger.info("You are using a CUDA device ('H100') that has Tensor Cores. To properly utilize them, ...")
            logger.info("something else")
        assert [record.getMessage() for record in caplog.records] == ["something else"]
    finally:
        logger.filters = before
