"""The command lines that ``forget`` consists of."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from unlearning_pl.training.saved_folder import saved_architecture

IMPORT, PREVIEW, UNLEARN, RETRAIN, AUDIT, EXPORT = "original", "preview", "unlearned", "retrained", "audit", "export"
"""Names of the steps; those of a run are its folder."""
REQUEST = "forget.json"
"""File of the ids in the output folder."""
PAIRS = "near_duplicates.json"
"""File of the near duplicates that stay, in the output folder."""
_WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors")
_RETRAIN_RATE = "0.05"


@dataclass(frozen=True)
class ForgetPlan:
    """What is forgotten, how, and where it goes.

    Attributes:
        model: File of weights.
        out: Output folder.
        import_options: Options of ``import``: model, data, views.
        unlearn_options: Options of ``unlearn``: method, optimizer, epochs.
        ids: Ids of the images to forget.
        retrain: Epochs of a retrained reference; None for an audit without one.
        counts: Number of images by split.
    """

    model: str
    out: str
    import_options: list[str]
    unlearn_options: list[str]
    ids: list[str]
    retrain: int | None = None
    counts: dict[str, int] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Path in the output folder."""
        return Path(self.out).expanduser() / name

    @property
    def export(self) -> Path:
        """File of the unlearned weights, under the names of the original's; for one of transformers the folder."""
        model = Path(self.model)
        if self._is_saved:
            return self.path(f"{model.resolve().parent.name}_unlearned")
        suffix = model.suffix if model.suffix.lower() in _WEIGHTS else ".pt"
        return self.path(f"{model.stem}_unlearned{suffix}")

    @property
    def references(self) -> list[str]:
        """Names of the runs that the model is compared with."""
        return [IMPORT, *([] if self.retrain is None else [RETRAIN])]

    def steps(self) -> dict[str, list[str]]:
        """The words of each command by the name of the step, in the order of execution.

        Example:
            >>> plan = ForgetPlan("w.pt", "out", ["--data.source", "Digits"], ["--method", "FineTune"], ["train/0"])
            >>> print(shlex.join(plan.steps()["unlearned"]))
            unlearn --original out/original --run out/unlearned --forget.file out/forget.json --method FineTune
        """
        original, unlearned, request = (self._at(name) for name in (IMPORT, UNLEARN, REQUEST))
        start = ["--original", original]
        steps = {
            IMPORT: ["import", self.model, "--run", original, *self.import_options],
            PREVIEW: ["split", *start, "--forget.file", request, "--show", "0", "--output", self._at(PAIRS)],
            UNLEARN: ["unlearn", *start, "--run", unlearned, "--forget.file", request, *self.unlearn_options],
        }
        if self.retrain is not None:
            steps[RETRAIN] = self._retrain(original, request)
        retrained = [] if self.retrain is None else ["--retrained", self._at(RETRAIN)]
        audit = ["audit", "--model", unlearned, *start, *retrained, "--output", self._at(AUDIT)]
        export = ["export", "--run", unlearned, "--to", self._at(self.export.name)]
        export += ["--format", "huggingface"] if self._is_saved else ["--like", self.model]
        return steps | {AUDIT: audit, EXPORT: export}

    @property
    def _is_saved(self) -> bool:
        """Whether the file is that of a folder of transformers, which needs its configuration."""
        return saved_architecture(Path(self.model).expanduser()) is not None

    def _retrain(self, original: str, request: str) -> list[str]:
        words = ["fit", "--config", f"{original}/config.yaml", "--run", self._at(RETRAIN), "--data.train_on", "retain"]
        sgd = [
            "--optimizer",
            "SGD",
            "--optimizer.lr",
            _RETRAIN_RATE,
            "--optimizer.momentum",
            "0.9",
            "--optimizer.weight_decay",
            "5e-4",
            "--schedule",
            "one_cycle",
        ]
        return [*words, "--data.forget.file", request, *sgd, "--trainer.max_epochs", str(self.retrain)]

    def _at(self, name: str) -> str:
        """Path in the output folder, as the user wrote the folder."""
        return str(Path(self.out) / name)


def command_line(words: list[str]) -> str:
    """A command as a shell reads it.

    Example:
        >>> command_line(["split", "--forget.ids", "a b"])
        "unlearning-pl split --forget.ids 'a b'"
    """
    return shlex.join(["unlearning-pl", *words])
