r"""Names of weights in other code bases: one table of maps to a learner's own names.

A map is a list of rules, regular expressions with their replacements, of which the first one that matches a whole name
renames it. Sources, as repository and commit:

- solo-learn: vturrisi/solo-learn@9187ea3, solo/methods/{base,simclr,mocov2plus,byol}.py
- lightly: lightly-ai/lightly@e8d317f, benchmarks/imagenet/resnet50/{simclr,mocov2,byol}.py
- MoCo: facebookresearch/moco@4397a04, moco/builder.py
- SimCLR in PyTorch: sthalles/SimCLR@1848fc9, models/resnet_simclr.py
- open_clip: mlfoundations/open_clip, src/open_clip/model.py (version 3.3.0); OpenAI's files have the same names
- alignment calibration: EhanW/Alignment-Calibration@8b95a75, algs.py
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from unlearning_pl.errors import require
from unlearning_pl.learners.library_models import LibraryModel, library_model

Rules = tuple[tuple[str, str], ...]


_STATISTICS = (".running_mean", ".running_var")


def _pair(name: str, state: Mapping[str, Tensor]) -> list[str]:
    """A tensor, and the weight of its module."""
    return [other for other in (name, f"{name.rpartition('.')[0]}.weight") if other in state]


class KeyMap(NamedTuple):
    r"""Names of the weights of a code base.

    Attributes:
        name: The code base.
        rules: Patterns of whole names and their replacements, in order.
        left_out: Patterns of tensors that are no part of the model: classifiers trained beside it, pointers, banks.
        transposed: Names, of the learner, whose tensors are transposed.
        grouped: Whether batch normalisation may have statistics of groups of rows, one after the other. Their mean
            counts, as in the evaluation mode of lightly's ``SplitBatchNorm``.
        saved_names: Whole names that are replaced before the rules apply.

    Example:
        >>> KeyMap("MoCo", ((r"encoder_q\.(.+)", r"backbone.\1"),)).rename("encoder_q.conv1.weight")
        'backbone.conv1.weight'
    """

    name: str
    rules: Rules = ()
    left_out: tuple[str, ...] = ()
    transposed: tuple[str, ...] = ()
    grouped: bool = False
    saved_names: Mapping[str, str] = MappingProxyType({})

    def rename(self, name: str) -> str | None:
        """Name in the learner; None for a tensor that is left out, and the same name if no rule matches."""
        if any(re.fullmatch(pattern, name) for pattern in self.left_out):
            return None
        name = self.saved_names.get(name, name)
        for pattern, replacement in self.rules:
            if match := re.fullmatch(pattern, name):
                return match.expand(replacement)
        return name

    def apply(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights under a learner's names.

        Raises:
            InputError: If two names become equal.
        """
        renamed: dict[str, Tensor] = {}
        origin: dict[str, str] = {}
        for name, value in state.items():
            new = self.rename(name)
            if new is None:
                continue
            require(
                new not in renamed,
                f"Expected one tensor for {new}, got {origin.get(new)} and {name}. Save one of both forms.",
            )
            renamed[new], origin[new] = value.T if new in self.transposed and value.dim() == 2 else value, name
            width = self.width_of_groups(name, {other: tuple(state[other].shape) for other in _pair(name, state)})
            if width is not None:
                renamed[new] = value.view(-1, width).mean(0)
        return renamed

    def width_of_groups(self, name: str, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        """Channels of batch normalisation whose statistics, of this name, are those of several groups; None otherwise.

        Example:
            >>> shapes = {"bn.weight": (64,), "bn.running_mean": (512,)}
            >>> KeyMap("groups", grouped=True).width_of_groups("bn.running_mean", shapes)
            64
        """
        if not self.grouped or not name.endswith(_STATISTICS):
            return None
        (width, *_), shape = shapes.get(f"{name.rpartition('.')[0]}.weight") or (0,), shapes[name]
        return width if width and len(shape) == 1 and shape[0] > width and shape[0] % width == 0 else None


OWN = KeyMap("unlearning-pl")
"""Names of a learner's own."""


def classifier_map(
    classifier: str | None,
    training_only: tuple[str, ...] = (),
    saved_names: Mapping[str, str] = MappingProxyType({}),
) -> KeyMap:
    """Map of a classifier as its library names it, whose linear layer is ``classifier``.

    Args:
        classifier: Name of the linear layer; None if there is none.
        training_only: Patterns of the names of tensors that are left out.
        saved_names: Names in files of the library, with those in the model, where they differ.

    Example:
        >>> classifier_map("heads.head").rename("heads.head.bias"), classifier_map("fc").rename("conv1.weight")
        ('head.bias', 'backbone.conv1.weight')
    """
    head = () if classifier is None else ((rf"{re.escape(classifier)}\.(weight|bias)", r"head.\1"),)
    rules = (*head, (r"(?!head\.(?:weight|bias)$|backbone\.)(.+)", r"backbone.\1"))
    return KeyMap("the library's own model", rules, training_only, saved_names=saved_names)


def library_map(library: LibraryModel) -> KeyMap:
    """Map of a model of a library, as that names it in its files."""
    return classifier_map(library.classifier, library.training_only, library.saved_names)


def _momentum(backbone: str, head: str, encoder: str) -> Rules:
    return (
        (rf"{backbone}\.(.+)", rf"{encoder}.backbone.\1"),
        (rf"{head}\.(.+)", rf"{encoder}.projection_head.layers.\1"),
    )


_HEAD = (r"projector\.(.+)", r"projection_head.layers.\1")
_QUEUE = (r"queue", "queue.keys")
_BANK = r"criterion\.memory_bank\.bank(_ptr)?"
_SOLO = (r"classifier\..+", r"momentum_classifier\..+", r"queue(_ptr)?")
_LIGHTLY = (r"online_classifier\..+", r"knn_classifier\..+", _BANK)
_SINGLE = (r"projection_head\.(weight|bias)", r"projection_head.layers.0.\1")


def _with_fc(module: str, prefix: str = "") -> Rules:
    """Rules of a ResNet whose ``fc`` is the projection head."""
    return (
        (rf"{module}\.fc\.(weight|bias)", rf"{prefix}projection_head.layers.0.\1"),
        (rf"{module}\.fc\.(\d+\..+)", rf"{prefix}projection_head.layers.\1"),
        (rf"{module}\.(.+)", rf"{prefix}backbone.\1"),
    )


KEY_MAPS: dict[str, tuple[KeyMap, ...]] = {
    "SimCLR": (
        KeyMap("solo-learn", (_HEAD,), _SOLO),
        KeyMap("lightly", (), _LIGHTLY),
        KeyMap("SimCLR in PyTorch", _with_fc("backbone")),
    ),
    "MoCo": (
        KeyMap("solo-learn", (_HEAD, *_momentum("momentum_backbone", "momentum_projector", "key_encoder")), _SOLO),
        KeyMap(
            "lightly",
            (
                (r"key_backbone\.(.+)", r"key_encoder.backbone.\1"),
                (r"key_projection_head\.(.+)", r"key_encoder.projection_head.\1"),
            ),
            _LIGHTLY,
        ),
        KeyMap(
            "MoCo",
            (*_with_fc("encoder_q"), *_with_fc("encoder_k", "key_encoder."), _QUEUE),
            (r"queue_ptr",),
            ("queue.keys",),
        ),
        KeyMap(
            "alignment calibration",
            (
                _SINGLE,
                (r"backbone_momentum\.(.+)", r"key_encoder.backbone.\1"),
                (r"projection_head_momentum\.(.+)", r"key_encoder.projection_head.layers.0.\1"),
            ),
            (_BANK,),
            grouped=True,
        ),
    ),
    "CLIP": (
        KeyMap(
            "open_clip",
            (
                (r"visual\.(.+)", r"backbone.\1"),
                (r"logit_scale", "logit_scale"),
                (r"text\.(.+)", r"text_encoder.\1"),
                (r"(?!backbone\.|text_encoder\.)(.+)", r"text_encoder.\1"),
            ),
            (r"(text\.)?(attn_mask|context_length|input_resolution|vocab_size)",),
        ),
    ),
    "BYOL": (
        KeyMap(
            "solo-learn",
            (
                _HEAD,
                (r"predictor\.(.+)", r"prediction_head.layers.\1"),
                *_momentum("momentum_backbone", "momentum_projector", "target_encoder"),
            ),
            _SOLO,
        ),
        KeyMap(
            "lightly",
            (
                (r"teacher_backbone\.(.+)", r"target_encoder.backbone.\1"),
                (r"teacher_projection_head\.(.+)", r"target_encoder.projection_head.\1"),
            ),
            _LIGHTLY,
        ),
    ),
}
"""Maps of the learners, by the name of their class."""


def key_maps_of(learner: nn.Module) -> Sequence[KeyMap]:
    """Maps from the names of other code bases to a learner's, its library's own among them.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> [key_map.name for key_map in key_maps_of(SimCLR("resnet9_slim"))]
        ['solo-learn', 'lightly', 'SimCLR in PyTorch']
    """
    maps = next((KEY_MAPS[kind.__name__] for kind in type(learner).__mro__ if kind.__name__ in KEY_MAPS), ())
    library = library_model(str(getattr(learner, "hparams", {}).get("backbone", "")))
    if library is None:
        return maps
    return (*maps, library_map(library))
