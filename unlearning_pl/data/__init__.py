"""Image sources, forget requests, splits and views."""

from unlearning_pl.data.datamodule import UnlearningData
from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.data.manifest import read_manifest, write_manifest
from unlearning_pl.data.parquet import Parquet
from unlearning_pl.data.requests import ForgetRequest
from unlearning_pl.data.sources import CIFAR10, CIFAR100, Digits, Source
from unlearning_pl.data.splits import Splits, Step, fingerprint, make_splits, with_request
from unlearning_pl.data.views import ContrastiveViews, CropViews, JitterViews, SupervisedViews, Views

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "ContrastiveViews",
    "CropViews",
    "Digits",
    "ForgetRequest",
    "ImageSet",
    "JitterViews",
    "Parquet",
    "Source",
    "Splits",
    "Step",
    "SupervisedViews",
    "UnlearningData",
    "Views",
    "fingerprint",
    "make_splits",
    "read_manifest",
    "with_request",
    "write_manifest",
]
