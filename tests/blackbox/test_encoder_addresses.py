"""Models from anywhere give the vectors of the learner that they were made from, or one clear line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from exported import Features, export
from torch import Tensor, nn

from unlearning_pl.blackbox import Encoder, Pixels, local_models, open_encoder
from unlearning_pl.data import Digits, Parquet
from unlearning_pl.errors import InputError
from unlearning_pl.learners import SimCLR
from unlearning_pl.training import runs
from unlearning_pl.types import Pixels as Normalised

OWN = Pixels(Digits.mean, Digits.std, image_size=8)
# torch asks for another kind of export, and these files are what people have
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def expected(run: Path, images: Tensor, look: str = "features") -> Tensor:
    learner = runs.open_learner(run).eval()
    scaled = images.permute(0, 3, 1, 2) / 255
    normal = (scaled - torch.tensor(Digits.mean).view(3, 1, 1)) / torch.tensor(Digits.std).view(3, 1, 1)
    with torch.no_grad():
        return getattr(learner, look)(normal)


def written(made: Path, kind: str, folder: Path) -> str:
    if kind == "run":
        return str(made / "after")
    if kind == "ckpt":
        return str(made / "after/checkpoints/last.ckpt")
    return str(export(Features(runs.open_learner(made / "after")), folder / f"a.{kind}"))


@pytest.mark.parametrize("kind", ["run", "ckpt", "pt", "onnx"])
def test_every_kind_gives_the_features_of_the_learner(kind: str, made: Path, tmp_path: Path, noise: Tensor) -> None:
    encoder = open_encoder(written(made, kind, tmp_path), OWN)
    assert encoder.image_size == (8, 8)
    assert encoder.dimensions == 128
    vectors = encoder(noise.numpy())
    torch.testing.assert_close(vectors, expected(made / "after", noise), rtol=1e-5, atol=1e-5)
    encoder.batch = 2
    torch.testing.assert_close(encoder(noise), vectors, rtol=1e-5, atol=1e-5)


def test_images_are_normalised_as_the_model_wants_them(
    made: Path, noise: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Normalised((0.4, 0.5, 0.6), (0.1, 0.2, 0.3))
    learner = runs.open_learner(made / "after").eval()
    # Instances have the attribute; a property of the class comes before it.
    monkeypatch.setattr(SimCLR, "pixels", property(lambda self: own, lambda self, value: None), raising=False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in own)
    with torch.no_grad():
        wanted = learner.features((noise.permute(0, 3, 1, 2) / 255 - mean) / std)
    torch.testing.assert_close(open_encoder(str(made / "after"))(noise), wanted, rtol=1e-5, atol=1e-5)


def test_the_layer_of_a_run_can_be_chosen(made: Path, noise: Tensor) -> None:
    vectors = open_encoder(str(made / "after"), layer="embedding")(noise)
    torch.testing.assert_close(vectors, expected(made / "after", noise, "embed"), rtol=1e-5, atol=1e-5)


def test_a_checkpoint_beside_a_configuration_is_taken_and_not_the_last_one(
    made: Path, tmp_path: Path, noise: Tensor
) -> None:
    shutil.copy(made / "after/checkpoints/last.ckpt", tmp_path / "kept.ckpt")
    shutil.copy(made / "after/config.yaml", tmp_path / "config.yaml")
    torch.testing.assert_close(open_encoder(str(tmp_path / "kept.ckpt"))(noise), expected(made / "after", noise))


def test_a_run_opens_without_its_training_images(
    made: Path, tmp_path: Path, noise: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise AssertionError("an owner has no training images")

    monkeypatch.setattr(Digits, "load", load)
    monkeypatch.setattr(Parquet, "load", load)
    open_encoder(str(made / "after"))(noise)
    shutil.copytree(made / "after", tmp_path / "run")
    config = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    absent = {"class_path": "unlearning_pl.data.CIFAR10", "init_args": {"root": "nowhere"}}
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config | {"data": config["data"] | {"source": absent}}))
    assert open_encoder(str(tmp_path / "run")).image_size == (32, 32)
    parquet = {"class_path": "unlearning_pl.data.Parquet", "init_args": {"train": "no", "test": "no"}}
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config | {"data": config["data"] | {"source": parquet}}))
    assert open_encoder(str(tmp_path / "run"), Pixels(image_size=8)).image_size == (8, 8)
    with pytest.raises(InputError, match=r"Expected the size of images .*`image_size`"):
        open_encoder(str(tmp_path / "run"))


def test_an_onnx_file_of_fixed_rows_is_fed_in_groups(made: Path, tmp_path: Path, noise: Tensor) -> None:
    path = export(Features(runs.open_learner(made / "after")), tmp_path / "two.onnx", free=False)
    encoder = open_encoder(str(path), Pixels(Digits.mean, Digits.std))
    assert (encoder.batch, encoder.image_size) == (2, (8, 8))
    torch.testing.assert_close(encoder(noise), expected(made / "after", noise), rtol=1e-5, atol=1e-5)


def test_without_onnxruntime_the_message_has_the_line_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setattr(local_models, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'unlearning-pl\[onnx\]'"):
        open_encoder(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.ckpt", "Expected a checkpoint"),
        ("a.pt", "Expected a checkpoint"),
        ("a.ts", "which torch.jit.load refuses"),
        ("weights.pt", "a model that is known by its tensors"),
        ("a.onnx", "which onnxruntime cannot load"),
        ("a.txt", "Expected a run folder"),
        ("missing.pt", "does not exist"),
        (".", "Expected a run folder with config.yaml"),
    ],
)
def test_a_file_that_is_no_model_is_told(name: str, message: str, tmp_path: Path) -> None:
    for file in ("a.ckpt", "a.pt", "a.ts", "a.onnx", "a.txt"):
        (tmp_path / file).write_text("no model")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=message):
        open_encoder(str(tmp_path / name), OWN)


class Odd(nn.Module):
    """Answers something that is no batch of vectors."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: Tensor) -> Tensor:
        if self.kind == "maps":
            return images
        if self.kind == "sum":
            return images.flatten(1).sum(0, keepdim=True)
        if self.kind == "nan":
            return images.flatten(1).log() * torch.nan
        return torch.cat([images.flatten(1), images.flatten(1)[:, : len(images)]], dim=1)


@pytest.mark.parametrize("kind", ["pt", "onnx"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [("maps", r"\(2, D\), from .*got \(2, 3, 8, 8\)"), ("sum", r"got \(1, 192\)"), ("nan", "got NaN or infinity")],
)
def test_what_is_no_vector_is_told(answer: str, message: str, kind: str, tmp_path: Path) -> None:
    path = export(Odd(answer), tmp_path / f"odd.{kind}")
    with pytest.raises(InputError, match=message):
        open_encoder(str(path), Pixels(image_size=8))


def test_an_image_size_that_a_file_does_not_take_is_told(tmp_path: Path) -> None:
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(InputError, match=r"images of 9x9 pixels, got .* which fails"):
        open_encoder(str(export(fixed, tmp_path / "a.pt")), Pixels(image_size=9))


def test_a_file_that_wants_its_channels_last_is_refused(tmp_path: Path) -> None:
    class Last(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.permute(0, 3, 1, 2).flatten(1)

    path, images = tmp_path / "a.onnx", torch.rand(2, 8, 8, 3)
    torch.onnx.export(Last(), (images,), str(path), dynamo=False)
    with pytest.raises(InputError, match="Export the model with its channels first"):
        open_encoder(str(path), OWN)


def test_a_model_that_changes_its_dimensions_is_told(noise: Tensor) -> None:
    encoder = Encoder("odd", lambda images: images.flatten(1)[:, : len(images)].float(), (8, 8), batch=3)
    with pytest.raises(InputError, match="Expected vectors of 3 dimensions from odd as before, got 2"):
        encoder(noise)


@pytest.mark.parametrize("answer", [None, "vectors", [[1.0]] * 5, np.full((5, 2), "x"), torch.ones(5, 2) > 0])
def test_an_answer_that_is_no_array_of_numbers_is_told(answer: object, noise: Tensor) -> None:
    with pytest.raises(InputError, match="Expected one vector per image"):
        Encoder("odd", lambda images: answer, (8, 8))(noise)


@pytest.mark.parametrize("images", [torch.zeros(2, 8, 8, 3), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)])
def test_images_of_another_kind_are_refused(images: Tensor) -> None:
    with pytest.raises(InputError, match=r"Expected images \(B, 8, 8, 3\) of uint8"):
        Encoder("even", lambda given: given.flatten(1), (8, 8))(images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5, 0.5)}, "one or three numbers as mean"),
        ({"std": (float("nan"),)}, "one or three numbers as std"),
        ({"std": (1.0, 0.0, 1.0)}, "std > 0"),
        ({"image_size": 0}, "image_size >= 1"),
    ],
)
def test_pixels_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Pixels(**options)
