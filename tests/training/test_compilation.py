"""Compiled steps: the losses of eager ones, each graph made once, and nothing of them outside of the steps of a fit.

The backend is torch's tracing alone, or AOTAutograd, which take a second; Inductor takes a minute and is `slow`.
"""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import LEARNERS, make_data, make_learner, make_method, make_trainer
from torch import Tensor, nn
from torch._dynamo.utils import counters

from unlearning_pl.data import ContrastiveViews, CropViews, JitterViews, SupervisedViews, Views
from unlearning_pl.distributed.batch_norm import SyncBatchNormPlugin
from unlearning_pl.errors import InputError
from unlearning_pl.learners import SimCLR, backbones
from unlearning_pl.training import compilation
from unlearning_pl.training.compilation import Compilation, compiled
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.weights import load_weights

pytestmark = pytest.mark.filterwarnings(  # of torch's own imports, and of what its tracing reads
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:The .grad attribute of a Tensor:UserWarning"
)


def small_encoder() -> tuple[nn.Module, int]:
    """An encoder that is traced in no time; of torch's classes alone, like the ResNets' stages."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), 8


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backbones.BUILDERS, "resnet9_slim", small_encoder)


@pytest.fixture(autouse=True)
def _no_inductor(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Calls:
    """A backend that counts the calls of its graphs."""

    def __init__(self) -> None:
        self.graphs, self.calls = 0, 0

    def __call__(self, graph: Any, inputs: list[Tensor]) -> Callable[..., Any]:
        self.graphs += 1

        def call(*given: Any) -> Any:
            self.calls += 1
            return graph.forward(*given)

        return call


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    backend = Calls()
    monkeypatch.setattr(compilation, "BACKEND", backend)
    return backend


class Losses(Callback):
    """Losses of all steps, and the number of graphs after the first one and in the end."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.graphs: list[int] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(float(outputs["loss"]))
        self.graphs.append(counters["stats"]["unique_graphs"])


def trained(name: str, method: str | None, original: str | None, run: Path | None = None, **options: Any) -> Any:
    """A learner and the :class:`Losses` of its training."""
    torch.manual_seed(0)
    learner, losses, path = make_learner(name), Losses(), options.pop("ckpt_path", None)
    trainer = make_trainer(run, **{"logger": False, "callbacks": [losses], "seed": 0, **options})
    data = make_data(views=ContrastiveViews())
    if method is None:
        trainer.fit(learner, datamodule=data, ckpt_path=path)
    else:
        assert original is not None
        trainer.unlearn(learner, data, original, **make_method(method), ckpt_path=path)
    return learner, losses


METHODS = ["FineTune", "NegGradPlus", "AlignmentCalibration", "CoUn"]
DIAGONAL = list(zip(["SimCLR", "MoCo", "BYOL", "Classifier"], [*METHODS[2:], *METHODS[:2]], strict=True))


def check_steps(name: str, method: str, tmp_path: Path) -> None:
    original = str(tmp_path / "original")
    make_trainer(Path(original), max_epochs=1).fit(make_learner(name), datamodule=make_data())
    (eager, expected), (learner, losses) = (
        trained(name, method, original, tmp_path / f"run_{mode}", compile=mode) for mode in (False, True)
    )
    assert losses.losses == pytest.approx(expected.losses, rel=1e-6)
    assert losses.graphs[0] > expected.graphs[-1]
    assert losses.graphs[-1] == losses.graphs[0]
    assert [*learner.state_dict()] == [*eager.state_dict()]
    _, rest = trained(name, method, original, tmp_path / "run_True", compile=True, ckpt_path="last", max_epochs=3)
    assert rest.graphs[-1] == rest.graphs[0]


@pytest.mark.parametrize(("name", "method"), DIAGONAL)
@pytest.mark.usefixtures("small")
def test_nothing_is_compiled_after_the_first_step(name: str, method: str, tmp_path: Path) -> None:
    check_steps(name, method, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_is_compiled_after_the_first_step_of_a_resnet(
    name: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "BACKEND", "aot_eager")
    check_steps(name, method, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.usefixtures("small")
def test_inductor_has_the_losses_of_eager_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "BACKEND", "inductor")
    losses = [trained(name, None, None, compile=mode, limit_train_batches=1)[1].losses for mode in (False, True)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("method", [None, *METHODS])
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.usefixtures("small")
def test_cuda_graphs_have_the_losses_of_eager_steps(
    name: str, method: str | None, every: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "BACKEND", "inductor")
    original = str(tmp_path / "original")
    make_trainer(Path(original), max_epochs=1).fit(make_learner(name), datamodule=make_data())
    options: Any = {"accelerator": "gpu", "max_epochs": 3, "accumulate_grad_batches": every}
    expected, losses = (trained(name, method, original, compile=mode, **options)[1] for mode in (False, "graphs"))
    assert losses.losses == pytest.approx(expected.losses, rel=1e-3)
    assert losses.graphs[-1] == losses.graphs[0]


@pytest.mark.parametrize(
    "views",
    [JitterViews(), ContrastiveViews(jitter=1.5, blur=True), SupervisedViews(), CropViews(min_scale=0.2)],
    ids=lambda views: type(views).__name__,
)
def test_compiled_views_are_the_same_from_one_graph(views: Views, calls: Calls) -> None:
    learner, images = SimCLR("resnet9_slim").train(), torch.rand(6, 3, 12, 20)

    def made(seed: int) -> tuple[Tensor, Tensor]:
        torch.manual_seed(seed)
        return views(images), torch.rand(1)

    expected = [made(seed) for seed in range(20)]
    with compiled(learner, views, True):
        views_and_next = [made(seed) for seed in range(20)]
    for (eager, following), (view, next_number) in zip(expected, views_and_next, strict=True):
        torch.testing.assert_close(view, eager, rtol=0, atol=2e-6)
        assert torch.equal(next_number, following)
    assert (calls.graphs, calls.calls) == (1, 20)
    assert "transform" not in vars(views)


def test_views_of_a_user_stay_as_they_are(calls: Calls) -> None:
    class Noise(Views):
        def forward(self, images: Tensor) -> Tensor:
            return images + torch.rand_like(images)

    with compiled(SimCLR("resnet9_slim").train(), views := Noise(), True):
        views(torch.rand(2, 3, 8, 8))
    assert calls.calls == 0


class Watch(Callback):
    """Calls of graphs in training steps, and outside of them."""

    def __init__(self, calls: Calls) -> None:
        self.calls, self.inside, self.outside, self.last = calls, 0, 0, 0
        self.names: set[str] = set()

    def _since(self) -> int:
        last, self.last = self.last, self.calls.calls
        return self.last - last

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        self.inside += self._since()
        self.names = set(pl_module.state_dict())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.outside += self._since()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == 0:  # after what the method measures, and the views of the first step
            self.outside += self._since() - 2


@pytest.mark.usefixtures("small")
def test_only_training_steps_call_graphs(calls: Calls, tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("BYOL"), datamodule=make_data())
    learner, watch = make_learner("BYOL"), Watch(calls)
    trainer = make_trainer(max_epochs=2, callbacks=[watch], compile=True, logger=False)
    trainer.unlearn(learner, make_data(), str(tmp_path / "original"), **make_method("SalUn"))
    assert watch.outside == 0
    # Views of the two streams, encoder, head, predictor and momentum encoder.
    assert watch.inside == 6 * trainer.global_step - 2
    assert watch.names == set(make_learner("BYOL").state_dict())
    trainer.validate(learner, datamodule=make_data(), verbose=False)
    assert calls.calls == watch.last


@pytest.mark.usefixtures("small")
def test_teachers_and_copies_are_not_compiled(calls: Calls) -> None:
    learner = make_learner("MoCo").train()
    with compiled(learner, JitterViews(), True):
        teacher, images = copy.deepcopy(learner).train(), torch.rand(2, 3, 8, 8)
        teacher.embed(images)
        assert calls.calls == 0
        learner.embed(images)
        assert calls.calls == 2


@pytest.mark.usefixtures("small")
def test_an_auxiliary_head_is_compiled(calls: Calls, tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    method = make_method("CoUn")
    method["plugins"][0].projection_dim = 4
    trainer = make_trainer(max_epochs=1, limit_train_batches=1, compile=True, logger=False)
    trainer.unlearn(make_learner("Classifier"), make_data(), str(tmp_path / "original"), **method)
    assert calls.calls == 1 + 2 + 1 + 2  # views; the classifier; the second view's encoder; the head of both views


class Fails(Callback):
    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("disk full")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.usefixtures("small")
def test_nothing_stays_on_the_learner(fails: bool) -> None:
    learner, data = make_learner("MoCo"), make_data()
    trainer = make_trainer(max_epochs=1, compile=True, logger=False, callbacks=[Fails()] if fails else [])
    if fails:
        with pytest.raises(RuntimeError, match="disk full"):
            trainer.fit(learner, datamodule=data)
    else:
        trainer.fit(learner, datamodule=data)
    assert all(module._compiled_call_impl is None for module in learner.modules())
    assert "transform" not in vars(data.views)


@pytest.mark.usefixtures("small")
def test_weights_pass_between_compiled_and_eager_runs(tmp_path: Path) -> None:
    for mode in (True, False):
        learner, _ = trained("SimCLR", None, None, tmp_path / str(mode), compile=mode, max_epochs=1)
        other, _ = trained("SimCLR", "FineTune", str(tmp_path / str(mode)), compile=not mode, max_epochs=1)
        loaded = make_learner("SimCLR")
        load_weights(loaded, str(tmp_path / str(mode)))
        pairs = zip(learner.state_dict().items(), loaded.state_dict().items(), strict=True)
        assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
        assert [*other.state_dict()] == [*loaded.state_dict()]


@pytest.mark.usefixtures("small")
def test_a_run_resumes_in_its_own_mode(tmp_path: Path) -> None:
    for mode, other in ((True, False), (False, True)):
        run = tmp_path / str(mode)
        trained("Classifier", None, None, run, compile=mode, max_epochs=1)
        before = (run / "checkpoints/last.ckpt").read_bytes()
        message = rf"^Expected `compile={mode}` as in [^\n]* got {str(other).lower()}\.[^\n]*$"
        with pytest.raises(InputError, match=message):
            trained("Classifier", None, None, run, compile=other, ckpt_path="last")
        assert (run / "checkpoints/last.ckpt").read_bytes() == before


@pytest.mark.usefixtures("small")
def test_a_run_that_recorded_no_mode_resumes_in_any(tmp_path: Path) -> None:
    trained("Classifier", None, None, tmp_path / "run", max_epochs=1)
    path = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["planned"]["trainer.compile"]  # of an earlier version, which compiled too
    torch.save(checkpoint, path)
    trained("Classifier", None, None, tmp_path / "run", compile=True, ckpt_path="last", max_epochs=1)


class Breaks(nn.Module):
    """An encoder of two graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        torch._dynamo.graph_break()
        return self.layer(x.mean((2, 3)))


def test_an_encoder_of_several_graphs_is_one_line() -> None:
    learner = SimCLR("resnet9_slim")
    learner.backbone, learner.projection_head = Breaks(), nn.Linear(8, 4)
    trainer = make_trainer(compile=True, logger=False)
    with pytest.raises(InputError, match=r"^Expected a Breaks that torch.compile makes one graph of [^\n]*$"):
        trainer.fit(learner, datamodule=make_data())


@pytest.mark.usefixtures("small")
def test_too_many_shapes_are_no_eager_steps() -> None:
    learner = make_learner("Classifier").train()
    with torch._dynamo.config.patch(recompile_limit=2), compiled(learner, JitterViews(), True):
        for rows in (2, 3, 2):
            learner.features(torch.rand(rows, 3, 8, 8))
        with pytest.raises(InputError, match=r"a Sequential that torch\.compile"):
            learner.features(torch.rand(4, 3, 8, 8))


def refused(options: dict[str, Any], method: str | None = None, synchronised: bool = False) -> str:
    trainer = make_trainer(logger=False, **options)
    trainer.strategy._layer_sync = SyncBatchNormPlugin() if synchronised else None
    trainer.callbacks += [] if method is None else [make_method(method)["method"]]
    with pytest.raises(InputError) as caught:
        trainer.fit(make_learner("SimCLR"), datamodule=make_data())
    return str(caught.value)


def test_what_excludes_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused({"compile": True}, "GradientPenalty").startswith(
        "Expected trainer.compile = false with GradientPenalty, got true."
    )
    assert refused({"compile": "graphs"}, "GradientPenalty").endswith("with GradientPenalty, got graphs. Leave it out.")
    assert refused({"compile": "graphs"}) == (
        "Expected trainer.compile = true or false on cpu, got graphs. Choose one of them."
    )
    with pytest.raises(InputError, match=r"^Expected trainer.compile = false, true or graphs, got 'all'"):
        make_trainer(compile="all")
    monkeypatch.setattr(UnlearningTrainer, "world_size", 2)
    assert "true or false with several processes, got graphs" in refused({"compile": "graphs"})
    assert "false with sync_batchnorm, got true" in refused({"compile": True}, synchronised=True)


@pytest.mark.usefixtures("small")
def test_graphs_mark_the_beginning_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    marks: list[int] = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: marks.append(1))
    for mode in ("graphs", True):
        trainer = make_trainer(max_epochs=1, logger=False, callbacks=[Compilation(mode)])
        trainer.fit(make_learner("Classifier"), datamodule=make_data())
        assert len(marks) == 1 + trainer.num_training_batches  # the first one before the first views
    assert trainer.num_training_batches > 1


@pytest.mark.parametrize(("mode", "every", "copied"), [("graphs", 2, True), ("graphs", 1, False), (True, 2, False)])
def test_gradients_that_a_replay_would_overwrite_are_copied(mode: Any, every: int, copied: bool) -> None:
    model = nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    before = model.weight.grad
    Compilation(mode).on_after_backward(SimpleNamespace(accumulate_grad_batches=every), model)
    assert torch.equal(model.weight.grad, before)
    assert (model.weight.grad.data_ptr() != before.data_ptr()) is copied
