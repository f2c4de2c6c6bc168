"""A learner as one traced module, with the normalisation of its images: TorchScript and ONNX.

Letters: B rows of a batch, S height and width of the images, D width of the output.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.types import Pixels

Output = Literal["scores", "features", "embedding"]
"""What a traced model returns: class scores, the encoder output, or what the training loss compares."""
OPSET = 17
"""Version of ONNX's operators: the first with layer normalisation."""
_TOLERANCE = 1e-4
"""Largest difference to the learner, relative to its largest output, that counts as rounding."""


class TracedModel(nn.Module):
    """Images ``(B, 3, S, S)`` in [0, 1] to outputs ``(B, D)``, float32, in evaluation mode.

    Args:
        learner: The learner, on the CPU.
        pixels: Channel statistics that normalise its images.
        output: What it returns; by default class scores if the learner has classes, else features.

    Raises:
        InputError: If the learner has no class scores.

    Example:
        >>> from unlearning_pl.learners import Classifier
        >>> learner = Classifier("resnet9_slim", num_classes=4)
        >>> model = TracedModel(learner, Pixels((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)))
        >>> model(torch.rand(2, 3, 8, 8)).shape
        torch.Size([2, 4])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, learner: Learner, pixels: Pixels, output: Output | None = None) -> None:
        super().__init__()
        self.output: Output = output or ("scores" if learner.knows_classes else "features")
        require(
            self.output != "scores" or learner.knows_classes,
            f"Expected a classifier for --output scores, got {type(learner).__name__}. Give features or embedding.",
        )
        self._learner = (learner,)  # no submodule: the tracer would read Lightning's properties, which need a trainer
        self.parts = nn.ModuleDict(dict(learner.named_children()))
        self.register_buffer("mean", torch.tensor(pixels.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(pixels.std).view(1, -1, 1, 1))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Outputs ``(B, D)`` of images ``(B, 3, S, S)``."""
        (learner,) = self._learner
        features = learner.features((images - self.mean) / self.std)
        if self.output == "features":
            return features
        scores = learner.classify(features) if self.output == "scores" else learner.project(features)
        assert scores is not None, "a learner that knows classes has scores"
        return scores

    @torch.no_grad()
    def drop_unused_parts(self, size: int) -> None:
        """Drop the parts of the learner that the output does not need: MoCo's queue, a text tower.

        Args:
            size: S.
        """
        used = set[str]()
        hooks = [
            part.register_forward_pre_hook(lambda *_, name=name: used.add(name)) for name, part in self.parts.items()
        ]
        self(_noise(2, size))
        for hook in hooks:
            hook.remove()
        for name in self.parts.keys() - used:
            del self.parts[name]


def to_torchscript(model: TracedModel, size: int) -> bytes:
    """Trace a model by ``torch.jit.trace``, with a batch of any number of rows.

    Args:
        model: The model.
        size: S.

    Raises:
        InputError: If the encoder cannot be traced, or the traced module computes something else.
    """
    stream = io.BytesIO()
    with _tracing("torch.jit.trace"):
        model.drop_unused_parts(size)
        traced: Any = torch.jit.trace(model, _noise(2, size), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, stream)
        _check_equal(model, traced, size, "TorchScript")
    return stream.getvalue()


def to_onnx(model: TracedModel, size: int) -> bytes:
    """Trace a model as ONNX: input ``images``, output named as what it is, with a batch of any number of rows.

    Args:
        model: The model.
        size: S.

    Raises:
        InputError: If onnxruntime is not installed, the encoder cannot be traced, or the graph computes something else.
    """
    require(
        find_spec("onnxruntime") is not None,
        "Expected onnxruntime, which compares the ONNX file with the run, got none. pip install 'unlearning-pl[onnx]'.",
    )
    import onnxruntime

    stream = io.BytesIO()
    target: Any = stream  # the exporter is typed for paths
    names: dict[str, Any] = {"input_names": ["images"], "output_names": [model.output]}
    with _tracing("torch.onnx.export"):
        # The exporter by tracing needs no package beside torch; the other one needs onnxscript.
        axes = {"images": {0: "batch"}, model.output: {0: "batch"}}
        torch.onnx.export(
            model, (_noise(2, size),), target, dynamo=False, opset_version=OPSET, dynamic_axes=axes, **names
        )
        session = onnxruntime.InferenceSession(stream.getvalue(), providers=["CPUExecutionProvider"])

        def run(images: Tensor) -> Tensor:
            vectors: np.ndarray[Any, np.dtype[np.float32]] = session.run(None, {"images": images.numpy()})[0]
            return torch.from_numpy(vectors)

        _check_equal(model, run, size, "ONNX")
    return stream.getvalue()


@contextmanager
def _tracing(function: str) -> Iterator[None]:
    """Name the function in an error; attention uses operators that both formats have."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Of values that a trace fixes, and of the exporter's age: the outputs are compared at other batch sizes.
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Exception as error:  # each operator fails in its own way
        reason = (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")
        raise InputError(
            f"Expected a model that {function} can trace, got an error ({reason}). Export its weights instead: "
            "--to FILE.safetensors."
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _check_equal(model: TracedModel, traced: Callable[[Tensor], Tensor], size: int, kind: str) -> None:
    """A trace may have fixed what depends on the images or on their number."""
    for rows in (1, 3):
        images = _noise(rows, size)
        expected, actual = model(images), traced(images)
        same = actual.shape == expected.shape
        gap = (actual - expected).abs().max() / expected.abs().max().clamp(min=1) if same else torch.tensor(torch.inf)
        require(
            float(gap) <= _TOLERANCE,
            f"Expected the outputs of the run from {kind}, got others for {rows} images (difference {float(gap):.1e}). "
            "Export its weights instead: --to FILE.safetensors.",
        )


def _noise(rows: int, size: int) -> Tensor:
    return torch.rand(rows, 3, size, size, generator=torch.Generator().manual_seed(rows))
