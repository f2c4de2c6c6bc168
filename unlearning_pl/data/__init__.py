"""Image sources, forget requests, splits and views."""

from unlearning_pl.data.augment.view_policies import ContrastiveViews, CropViews, JitterViews, SupervisedViews
from unlearning_pl.data.augment.views import DrawnViews, Views
from unlearning_pl.data.datamodule import UnlearningData
from unlearning_pl.data.sources.cifar import CIFAR10, CIFAR100
from unlearning_pl.data.sources.digits import Digits
from unlearning_pl.data.sources.fashion_mnist import FashionMNIST
from unlearning_pl.data.sources.folder import Folder
from unlearning_pl.data.sources.hub import Hub
from unlearning_pl.data.sources.image_table import ImageTable
from unlearning_pl.data.sources.oxford_pets import OxfordPets
from unlearning_pl.data.sources.parquet import Parquet
from unlearning_pl.data.sources.shards import Shards
from unlearning_pl.data.sources.source import Source
from unlearning_pl.data.sources.stl10 import STL10
from unlearning_pl.data.sources.svhn import SVHN
from unlearning_pl.data.sources.template_captions import TemplateCaptions
from unlearning_pl.data.sources.tiny_imagenet import TinyImageNet
from unlearning_pl.data.sources.with_metadata import WithMetadata
from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.splits.forget_split import Splits, Step, fingerprint, make_splits, with_request
from unlearning_pl.data.splits.manifest import read_manifest, write_manifest
from unlearning_pl.images.image_set import ImageSet

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "STL10",
    "SVHN",
    "ContrastiveViews",
    "CropViews",
    "Digits",
    "DrawnViews",
    "FashionMNIST",
    "Folder",
    "ForgetRequest",
    "Hub",
    "ImageSet",
    "ImageTable",
    "JitterViews",
    "OxfordPets",
    "Parquet",
    "Shards",
    "Source",
    "Splits",
    "Step",
    "SupervisedViews",
    "TemplateCaptions",
    "TinyImageNet",
    "UnlearningData",
    "Views",
    "WithMetadata",
    "fingerprint",
    "make_splits",
    "read_manifest",
    "with_request",
    "write_manifest",
]
