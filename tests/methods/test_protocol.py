"""Methods on modules that are no learners: the documented protocol, and nothing besides."""

import re
import runpy
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tiny import METHODS, PLUGINS, make_data, make_learner
from torch.nn import functional as F

from unlearning_pl.learners import Classifier, mean_loss
from unlearning_pl.methods.unlearner import PROTOCOL
from unlearning_pl.types import Batch, Sample

pytestmark = pytest.mark.filterwarnings("ignore:You passed in a `val_dataloader`")  # a module need not validate
EVERY = {**METHODS, **PLUGINS}
DOCS = Path(__file__).parents[2] / "docs"


class Theirs(LightningModule):
    """Offers the protocol that every method needs; tests add what one of them asks for."""

    num_views = 1

    def __init__(self) -> None:
        super().__init__()
        inner = make_learner("Classifier")
        assert isinstance(inner, Classifier)
        self.encoder, self.head = inner.backbone, inner.head
        self.objective = mean_loss

    def outputs(self, sample: Sample) -> torch.Tensor:
        return self.head(self.encoder(sample.views[0]))

    def losses(self, outputs: torch.Tensor, sample: Sample) -> torch.Tensor:
        return F.cross_entropy(outputs, sample.target, reduction="none")

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        return self.objective(self, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


MORE = {
    "backbone": property(lambda self: self.encoder),
    "features": lambda self, x: self.encoder(x),
    "embed": lambda self, x: self.encoder(x),
    "class_scores": lambda self, x: self.head(self.encoder(x)),
    "logits": lambda self, outputs: outputs,
    "corrupt_targets": lambda self, sample: sample._replace(target=(sample.target + 1) % 10),
    "swap_positives": lambda self, outputs, sample, partner: (outputs, sample._replace(target=sample.target[partner])),
    "alignment": lambda self, outputs, sample: outputs.softmax(1).gather(1, sample.target[:, None])[:, 0],
}


def fit(module: LightningModule, method: str) -> None:
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = Trainer(
        accelerator="cpu", max_epochs=2, limit_val_batches=0, callbacks=[EVERY[method]()], **dict.fromkeys(off, False)
    )
    trainer.fit(module, datamodule=make_data())


@pytest.mark.parametrize("method", EVERY)
def test_a_method_runs_with_what_it_says_that_it_calls(method: str) -> None:
    offered = {name: MORE[name] for name in EVERY[method].func.required_methods}
    theirs = type("Offers", (Theirs,), offered)()
    before = {name: value.clone() for name, value in theirs.state_dict().items()}
    fit(theirs, method)
    assert any(not torch.equal(before[name], value) for name, value in theirs.state_dict().items())
    assert all(torch.isfinite(value).all() for value in theirs.state_dict().values())
    assert theirs.objective is mean_loss


@pytest.mark.parametrize("method", [name for name in EVERY if EVERY[name].func.required_methods])
def test_what_is_missing_is_named_before_training(method: str) -> None:
    missing = ", ".join(EVERY[method].func.required_methods)
    with pytest.raises(TypeError, match=f"Expected a module with {missing} for {method}, got Theirs without"):
        fit(Theirs(), method)


def test_the_page_names_what_each_method_calls() -> None:
    page = (DOCS / "protocol.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("|")]
    for method in EVERY:
        (cells,) = [cells for cells in rows if method in re.findall(r"\w+", cells[0])]
        assert set(EVERY[method].func.required_methods) <= set(re.findall(r"`(\w+)", cells[1])), method
    assert all(f"`{name}" in page for name in PROTOCOL)


@pytest.mark.filterwarnings("ignore")
def test_the_example_runs_and_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    example = DOCS / "examples/foreign_module.py"
    code = [line for line in example.read_text().split('"""')[2].splitlines() if line.strip()]
    assert len(code) < 40
    monkeypatch.setattr("sys.argv", [str(example)])
    names = runpy.run_path(str(example), run_name="__main__")
    assert names["trainer"].global_step > 0
    assert names["theirs"].objective is mean_loss
