"""Models as other code bases build them, with random weights: the structure that their repositories have.

Each has the forward pass of its own code base, so that vectors can be compared with those of an imported learner.
Sources are listed in unlearning_pl/learners/key_maps.py.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from lightly.models import ResNetGenerator
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small, resnet18, vit_b_32

from unlearning_pl.learners import BYOL, Classifier, Learner, MoCo, SimCLR
from unlearning_pl.learners.key_maps import KeyMap


def in_learner(key_map: KeyMap, name: str, value: Tensor, like: Tensor) -> Tensor:
    """A tensor of a file as a learner has it."""
    if value.numel() > like.numel():  # groups of batch normalisation
        return value.view(-1, like.numel()).mean(0)
    return (value.T if name in key_map.transposed else value).reshape(like.shape)


class Foreign(NamedTuple):
    """A model of another code base, and the learner that it becomes."""

    state: dict[str, Any]
    """Content of its file."""
    features: Callable[[Tensor], Tensor]
    embed: Callable[[Tensor], Tensor]
    learner: Callable[[], Learner]
    size: int
    """Height and width of its images."""


def _without_fc() -> Any:
    net: Any = resnet18()
    net.fc = nn.Identity()
    return net


def _for_cifar(net: Any) -> Any:
    net.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=2, bias=False)
    net.maxpool = nn.Identity()
    return net


def torchvision_classifier() -> Foreign:
    net = resnet18(num_classes=5)
    return Foreign(
        net.state_dict(), _features(net, "fc"), net, lambda: Classifier("torchvision/resnet18", num_classes=5), 64
    )


def torchvision_mobilenet() -> Foreign:
    net = mobilenet_v3_small(num_classes=5)
    return Foreign(
        {"module." + name: value for name, value in net.state_dict().items()},
        _features(net, "classifier.3"),
        net,
        lambda: Classifier("torchvision/mobilenet_v3_small", num_classes=5),
        64,
    )


def torchvision_vit() -> Foreign:
    net = vit_b_32(num_classes=5)
    features = _features(net, "heads.head")
    return Foreign(
        {"model": net.state_dict()}, features, net, lambda: Classifier("torchvision/vit_b_32", num_classes=5), 224
    )


def timm_classifier(name: str = "resnet18.tv_in1k", size: int = 64) -> Foreign:
    import timm

    net = timm.create_model(name, num_classes=5)

    def features(x: Tensor) -> Tensor:
        return net.forward_head(net.forward_features(x), pre_logits=True)

    return Foreign(net.state_dict(), features, net, lambda: Classifier(f"timm/{name}", num_classes=5), size)


def timm_convnext() -> Foreign:
    return timm_classifier("convnext_atto", 64)


def solo_learn_simclr() -> Foreign:
    net: Any = nn.Module()
    net.backbone = _for_cifar(_without_fc())
    net.classifier = nn.Linear(512, 10)
    net.projector = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 64))
    return Foreign(
        {"state_dict": net.state_dict(), "epoch": 3},
        net.backbone,
        lambda x: net.projector(net.backbone(x)),
        lambda: SimCLR("solo-learn/resnet18", projection_dim=64, projection_head="mlp", hidden_dim=256),
        32,
    )


def solo_learn_moco() -> Foreign:
    net: Any = nn.Module()
    net.backbone = _for_cifar(_without_fc())
    net.classifier, net.momentum_classifier = nn.Linear(512, 10), nn.Linear(512, 10)
    net.projector = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 64))
    net.momentum_backbone, net.momentum_projector = copy.deepcopy(net.backbone), copy.deepcopy(net.projector)
    net.register_buffer("queue", torch.randn(2, 64, 128))
    net.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))
    return Foreign(
        {"state_dict": net.state_dict()},
        net.backbone,
        lambda x: net.projector(net.backbone(x)),
        lambda: MoCo("solo-learn/resnet18", queue_size=128, projection_dim=64, hidden_dim=256),
        32,
    )


def solo_learn_byol() -> Foreign:
    def head(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 64))

    net: Any = nn.Module()
    net.backbone, net.projector, net.predictor = _for_cifar(_without_fc()), head(512), head(64)
    net.classifier = nn.Linear(512, 10)
    net.momentum_backbone, net.momentum_projector = copy.deepcopy(net.backbone), copy.deepcopy(net.projector)
    return Foreign(
        {"state_dict": net.state_dict()},
        net.backbone,
        lambda x: net.projector(net.backbone(x)),
        lambda: BYOL("solo-learn/resnet18", hidden_dim=96, projection_dim=64, projection_head="mlp_bn"),
        32,
    )


def lightly_simclr() -> Foreign:
    net: Any = nn.Module()
    net.backbone, net.projection_head = _without_fc(), SimCLRProjectionHead(512, 512, 64)
    net.online_classifier = nn.Linear(512, 10)
    return Foreign(
        {"state_dict": net.state_dict()},
        net.backbone,
        lambda x: net.projection_head(net.backbone(x)),
        lambda: SimCLR("torchvision/resnet18", projection_dim=64),
        64,
    )


def lightly_moco() -> Foreign:
    net: Any = nn.Module()
    net.backbone, net.projection_head = _without_fc(), MoCoProjectionHead(512, 512, 64)
    net.key_backbone, net.key_projection_head = copy.deepcopy(net.backbone), copy.deepcopy(net.projection_head)
    net.online_classifier = nn.Linear(512, 10)
    return Foreign(
        {"state_dict": net.state_dict()},
        net.backbone,
        lambda x: net.projection_head(net.backbone(x)),
        lambda: MoCo("torchvision/resnet18", projection_dim=64, queue_size=128),
        64,
    )


def lightly_byol() -> Foreign:
    net: Any = nn.Module()
    net.backbone, net.projection_head = _without_fc(), BYOLProjectionHead(512, 96, 64)
    net.prediction_head = BYOLPredictionHead(64, 96, 64)
    net.teacher_backbone, net.teacher_projection_head = (
        copy.deepcopy(net.backbone),
        copy.deepcopy(net.projection_head),
    )
    net.online_classifier = nn.Linear(512, 10)
    return Foreign(
        {"state_dict": net.state_dict()},
        net.backbone,
        lambda x: net.projection_head(net.backbone(x)),
        lambda: BYOL("torchvision/resnet18", hidden_dim=96, projection_dim=64),
        64,
    )


def _moco(mlp: bool) -> Any:
    def encoder() -> Any:
        net: Any = resnet18(num_classes=64)
        if mlp:
            net.fc = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), net.fc)
        return net

    net: Any = nn.Module()
    net.encoder_q = encoder()
    net.encoder_k = copy.deepcopy(net.encoder_q)
    net.register_buffer("queue", nn.functional.normalize(torch.randn(64, 128), dim=0))
    net.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))
    return net


def moco_v2() -> Foreign:
    net = _moco(mlp=True)
    state = {f"module.{name}": value for name, value in net.state_dict().items()}
    return Foreign(
        {"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": {"state": {}, "param_groups": []}},
        _features(net.encoder_q, "fc"),
        net.encoder_q,
        lambda: MoCo("torchvision/resnet18", projection_dim=64, queue_size=128, projection_head="mlp"),
        64,
    )


def moco_v1() -> Foreign:
    net = _moco(mlp=False)
    return Foreign(
        {"state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}},
        _features(net.encoder_q, "fc"),
        net.encoder_q,
        lambda: MoCo("torchvision/resnet18", projection_dim=64, queue_size=128, projection_head="linear"),
        64,
    )


def simclr_in_pytorch() -> Foreign:
    net: Any = nn.Module()
    net.backbone = resnet18(num_classes=64)
    net.backbone.fc = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), net.backbone.fc)
    return Foreign(
        {"epoch": 200, "arch": "resnet18", "state_dict": net.state_dict(), "optimizer": {}},
        _features(net.backbone, "fc"),
        net.backbone,
        lambda: SimCLR("torchvision/resnet18", projection_dim=64, projection_head="mlp"),
        64,
    )


def _authors_backbone(num_splits: int = 0) -> nn.Module:
    net = ResNetGenerator("resnet-18", 1, num_splits=num_splits)
    return nn.Sequential(*list(net.children())[:-1], nn.AdaptiveAvgPool2d(1))


def alignment_calibration_simclr() -> Foreign:
    net: Any = nn.Module()
    net.backbone, net.projection_head = _authors_backbone(), SimCLRProjectionHead(512, 512, 128)
    return Foreign(
        {"state_dict": net.state_dict()},
        lambda x: net.backbone(x).flatten(1),
        lambda x: net.projection_head(net.backbone(x).flatten(1)),
        lambda: SimCLR("lightly/resnet18"),
        32,
    )


def alignment_calibration_moco() -> Foreign:
    """With batch normalisation in 8 groups, whose statistics become their mean whenever training ends."""
    net: Any = nn.Module()
    net.backbone, net.projection_head = _authors_backbone(num_splits=8).eval(), nn.Linear(512, 128)
    net.backbone_momentum, net.projection_head_momentum = (
        copy.deepcopy(net.backbone),
        copy.deepcopy(net.projection_head),
    )
    return Foreign(
        {"state_dict": net.state_dict()},
        lambda x: net.backbone.train().eval()(x).flatten(1),
        lambda x: net.projection_head(net.backbone.train().eval()(x).flatten(1)),
        lambda: MoCo("lightly/resnet18", projection_head="linear", queue_size=128),
        32,
    )


def _features(net: Any, classifier: str) -> Callable[[Tensor], Tensor]:
    """Input of the classifier, by a hook: independent of how a learner takes it off."""

    def features(x: Tensor) -> Tensor:
        inputs: list[Tensor] = []
        handle = net.get_submodule(classifier).register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        net(x)
        handle.remove()
        return inputs[0]

    return features


SLOW: list[Callable[[], Foreign]] = [torchvision_vit]
FOREIGN: list[Callable[[], Foreign]] = [
    torchvision_classifier,
    torchvision_mobilenet,
    timm_classifier,
    timm_convnext,
    solo_learn_simclr,
    solo_learn_moco,
    solo_learn_byol,
    lightly_simclr,
    lightly_moco,
    lightly_byol,
    moco_v1,
    moco_v2,
    simclr_in_pytorch,
    alignment_calibration_simclr,
    alignment_calibration_moco,
]
