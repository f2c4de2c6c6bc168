"""Unlearning on somebody else's LightningModule: a torchvision ResNet that was trained elsewhere.

python docs/examples/foreign_module.py
"""

import unlearning_pl  # isort: skip  # noqa: F401  before torchvision, so that CPU builds of it load

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.nn import functional as F
from torchvision.models import resnet18

from unlearning_pl.data import Digits, ForgetRequest, UnlearningData
from unlearning_pl.learners import mean_loss
from unlearning_pl.methods import SCRUB


class Theirs(LightningModule):
    num_views = 1  # augmented copies of an image that a step needs

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.objective = mean_loss  # the value that a method replaces

    def outputs(self, sample):
        return self.net(sample.views[0])

    def losses(self, outputs, sample):
        return F.cross_entropy(outputs, sample.target, reduction="none")  # one a sample

    def logits(self, outputs):  # asked for by SCRUB and BadTeacher
        return outputs

    def training_step(self, batch, batch_idx):
        return self.objective(self, batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


if __name__ == "__main__":
    theirs = Theirs(resnet18(num_classes=10))  # .load_state_dict(torch.load("theirs.pt", weights_only=True))
    data = UnlearningData(Digits(train_size=200, image_size=32), forget=ForgetRequest(fraction=0.1))
    trainer = Trainer(max_epochs=2, callbacks=[SCRUB(max_epochs=1)], logger=False, enable_checkpointing=False)
    trainer.fit(theirs, datamodule=data)
