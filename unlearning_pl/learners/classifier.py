"""A supervised classifier.

Letters: B rows of a batch, K classes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_accuracy
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.learner import Learner
from unlearning_pl.types import Sample


class Classifier(Learner):
    """Classifier: an encoder and a linear layer, trained with cross-entropy on one view.

    Args:
        backbone: Encoder: resnet9_slim, resnet18, resnet34, resnet50, vgg16_bn, vit_tiny, torchvision/NAME, timm/NAME,
            transformers/FOLDER, solo-learn/NAME, lightly/NAME or cifar/NAME.
        num_classes: Number of classes K, at least 2.

    Raises:
        InputError: If ``num_classes`` is less than two or the backbone does not exist; :meth:`check` raises it if the
            data has more classes.
    """

    num_views = 1
    knows_classes = True

    def __init__(self, backbone: str = "resnet18", num_classes: int = 10) -> None:
        super().__init__(*build_backbone(backbone))
        require(
            num_classes > 1, f"Expected num_classes >= 2, got {num_classes}. Give the data set's number of classes."
        )
        self.save_hyperparameters()
        self.num_classes = num_classes
        self.head = nn.Linear(self.feature_dim, num_classes)

    @override
    def check(self, images: Tensor, classes: int) -> None:
        require(
            classes <= self.num_classes,
            f"Expected model.num_classes >= {classes}, the classes of the data, got {self.num_classes}. "
            f"Set model.num_classes to {classes}.",
        )
        super().check(images, classes)

    @override
    def outputs(self, sample: Sample) -> Tensor:
        return self.classify(self.features(sample.views[0]))

    @override
    def logits(self, outputs: Tensor) -> Tensor:
        return outputs

    @override
    def losses(self, outputs: Tensor, sample: Sample) -> Tensor:
        return F.cross_entropy(outputs, sample.target, reduction="none")

    @override
    def corrupt_targets(self, sample: Sample, partners: Sample | None = None) -> Sample:
        """Replace the label of each image by a random other label, which needs no partner."""
        shift = torch.randint_like(sample.target, 1, self.num_classes)
        return sample._replace(target=(sample.target + shift) % self.num_classes)

    @override
    def swap_positives(self, outputs: Tensor, sample: Sample, partner: Tensor) -> tuple[Tensor, Sample]:
        return outputs, sample._replace(target=sample.target[partner])

    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Tensor, Tensor]:
        """Outputs, and those of the last rows, whose positive is the label: it takes no pass."""
        outputs = self.outputs(sample)
        return outputs, outputs[len(outputs) - len(others.index) :]

    @override
    def alignment(self, outputs: Tensor, sample: Sample) -> Tensor:
        wide = torch.promote_types(outputs.dtype, torch.float32)
        return outputs.to(wide).softmax(1).gather(1, sample.target[:, None]).squeeze(1)

    @override
    def classify(self, features: Tensor) -> Tensor:
        scores: Tensor = self.head(features)
        return scores

    @override
    def metrics(self, outputs: Tensor, sample: Sample) -> dict[str, Tensor]:
        accuracy = multiclass_accuracy(outputs, sample.target, num_classes=self.num_classes, average="micro")
        return super().metrics(outputs, sample) | {"accuracy": accuracy}
