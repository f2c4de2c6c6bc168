"""`--stop held_out` ends where a loop by hand ends, for the reason that it says, and keeps the best step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import LEARNERS, make_learner, make_method, make_trainer
from training.stopping import STEPS, States, auc_by_hand, data_of, planned, same, stop_of, unlearned

from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.training import held_out_stop
from unlearning_pl.training.held_out_comparison import Comparison, compare


@pytest.mark.usefixtures("always_apart")
@pytest.mark.parametrize(
    ("name", "every"), [*((name, 1) for name in LEARNERS), ("SimCLR", 2), ("MoCo", None), ("Classifier", None)]
)
def test_ends_where_a_loop_by_hand_ends_and_keeps_the_best_step(
    name: str, every: int | None, held_out_originals: dict[str, Path], tmp_path: Path
) -> None:
    states, data = States(), data_of()
    unlearned(held_out_originals[name], data=data, callbacks=[states])
    reference = make_learner(name).eval()
    aucs = {}
    for step in (0, *range(every or 2, STEPS + 1, every or 2)):  # two steps are an epoch
        reference.load_state_dict(states.found[step])
        aucs[step] = round(auc_by_hand(reference, data), 12)
    side, ended, kept = 0.0, STEPS, 0
    for step, auc in aucs.items():
        was, side = side, side or auc - 0.5
        if step and side and (not kept or abs(auc - 0.5) < abs(aucs[kept] - 0.5)):
            kept = step
        if step and was and was * (auc - 0.5) <= 0:
            ended = step
            break
    learner, trainer = unlearned(held_out_originals[name], tmp_path / "run", stop="held_out", stop_every=every)
    found = stop_of(tmp_path / "run")
    assert (found["ended"], found["kept"], trainer.global_step) == (ended, kept, ended)
    assert found["auc"] == pytest.approx(aucs[kept], abs=1e-6)
    assert same(learner.state_dict(), states.found[kept])
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert same(saved["state_dict"], states.found[kept])
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    curve = {event.step: event.value for event in events.Scalars("stop/auc")}
    assert curve == pytest.approx({step: auc for step, auc in aucs.items() if step <= ended}, abs=1e-6)


@pytest.mark.parametrize(
    ("aucs", "ended", "kept", "reason"),
    [
        ([0.7, 0.6, 0.505], 2, 2, "told apart no more"),
        ([0.7, 0.53, 0.4], 2, 1, "differ the other way"),  # the best is not the last
        ([0.7, 0.3], 1, 1, "differ the other way"),  # the original is no candidate, however near
        ([0.3, 0.4, 0.6], 2, 1, "differ the other way"),
        ([0.7, 0.6, 0.55, 0.56, 0.57, 0.58, 0.59], 6, 2, "still told apart"),
        ([0.5, 0.515, 0.51, 0.6, 0.55, 0.501], 5, 5, "told apart no more"),  # first it has to be told apart
        ([0.51, 0.49, 0.5, 0.515, 0.5, 0.5, 0.485], 6, 6, "never told apart"),
    ],
)
def test_ends_for_a_reason(
    aucs: list[float],
    ended: int,
    kept: int,
    reason: str,
    held_out_originals: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    steps, states = planned(monkeypatch, aucs), States()
    learner, _ = unlearned(
        held_out_originals["SimCLR"], tmp_path / "run", stop="held_out", stop_every=1, callbacks=[states]
    )
    assert stop_of(tmp_path / "run") == {"ended": ended, "kept": kept, "auc": aucs[kept], "reason": reason}
    assert steps == list(range(ended + 1))
    assert same(learner.state_dict(), states.found[kept])
    told = [str(warning.message) for warning in recwarn if "--stop held_out stopped nothing" in str(warning.message)]
    assert len(told) == (reason == "never told apart")


def test_the_last_step_is_compared_too(
    held_out_originals: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = planned(monkeypatch, [0.8, 0.7, 0.6])
    unlearned(held_out_originals["SimCLR"], tmp_path / "run", stop="held_out", stop_every=4)
    assert steps == [0, 4, 6]
    assert stop_of(tmp_path / "run")["kept"] == 6


@pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")
@pytest.mark.parametrize(("every", "plugin"), [(None, False), (1, False), (None, True)])
def test_streams_that_alternate_are_compared_after_passes_over_the_retain_set(
    every: int | None, plugin: bool, held_out_originals: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass of SCRUB over the forget set damages the model, which the next one repairs."""
    steps, epochs = planned(monkeypatch, [0.8] * 9), []

    class Epochs(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            epochs.append(trainer.global_step)

    options = {**make_method("SCRUB"), "plugins": make_method("CoUn")["plugins"] if plugin else ()}
    trainer = make_trainer(max_epochs=2, callbacks=[Epochs()], logger=False)
    original = str(held_out_originals["Classifier"])
    trainer.unlearn(make_learner("Classifier"), data_of(), original, **options, stop="held_out", stop_every=every)
    assert steps == [0, *([epochs[1]] if every is None else range(epochs[0] + 1, epochs[1] + 1))]


@pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")
def test_a_pass_over_the_forget_set_is_not_compared_by_the_next_batch_of_accumulated_gradients(
    held_out_originals: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, places = planned(monkeypatch, [0.8] * 30), []

    class Places(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
            places.append((trainer.current_epoch, trainer.global_step))

    trainer = make_trainer(max_epochs=2, callbacks=[Places()], logger=False, accumulate_grad_batches=2)
    trainer.unlearn(
        make_learner("Classifier"),
        data_of(batch_size=4),
        str(held_out_originals["Classifier"]),
        **make_method("SCRUB"),
        stop="held_out",
        stop_every=1,
    )
    damaged = {step for epoch, step in places if epoch == 0}
    assert damaged & {step for epoch, step in places if epoch == 1}  # a batch of the next pass took no step
    assert not damaged & set(steps[1:])


def test_no_step_reads_held_out_images_and_none_is_another_than_without(
    held_out_originals: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, watched = States(), States()
    unlearned(held_out_originals["MoCo"], method="CoUn", callbacks=[plain])
    real = compare

    def told_apart(trainer: Trainer, learner: Any) -> Comparison:
        return real(trainer, learner)._replace(difference=AucDifference(0.9, 0.5, 0.01))

    monkeypatch.setattr(held_out_stop, "compare", told_apart)
    unlearned(held_out_originals["MoCo"], method="CoUn", callbacks=[watched], stop="held_out", stop_every=1)
    assert plain.found.keys() == watched.found.keys()
    assert all(same(state, watched.found[step]) for step, state in plain.found.items())
