"""A folder of transformers goes through the commands of a user, and comes back as a folder that transformers loads."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from learners.saved_models import save_model, transformers
from photo_folders import folder_options, write_photos
from PIL import Image
from safetensors.torch import load_file

from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.commands import forget
from unlearning_pl.commands.main import main
from unlearning_pl.commands.saved_folders import with_weights_files
from unlearning_pl.training import runs

CLASSES = ("cat", "dog", "emu", "fox", "gnu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("saved")
    write_photos(place / "photos/train", 3, CLASSES)
    write_photos(place / "photos/test", 2, CLASSES, seed=1)
    (place / "ids.txt").write_text("train/cat/1.png\ntrain/dog/2.png\n")
    save_model(place / "vit", processor="cropped")
    return place


def scores(folder: Path, image: Image.Image) -> torch.Tensor:
    net = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    with torch.no_grad():
        logits: torch.Tensor = net(**processor(image, return_tensors="pt")).logits
    return logits


def test_words_of_a_folder_become_its_file(place: Path) -> None:
    folder, file = str(place / "vit"), str(place / "vit/model.safetensors")
    assert with_weights_files("import", [folder, "--run", "x"]) == [file, "--run", "x"]
    assert with_weights_files("unlearn", [f"--original={folder}"]) == [f"--original={file}"]
    words = ["--to", folder, "--model.backbone", f"transformers/{folder}", "--original", str(place / "photos")]
    assert with_weights_files("export", words) == words


def test_a_folder_is_imported_and_exported_bit_for_bit(place: Path, tmp_path: Path) -> None:
    run, out = str(tmp_path / "run"), tmp_path / "out"
    assert main(["import", str(place / "vit"), "--run", run, *folder_options(place / "photos")]) == 0
    data, learner = runs.open_data(run), runs.open_learner(run).eval()
    position = data.ids.index("train/dog/2.png")
    images, _ = data.pool.rows_at(torch.tensor([position]))
    photo = Image.open(place / "photos/train/dog/2.png")
    expected = scores(place / "vit", photo)
    with torch.no_grad():
        ours = learner.class_scores(data.pool.normalise(images, learner.pixels))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert main(["export", "--run", run, "--to", str(out), "--format", "huggingface"]) == 0
    torch.testing.assert_close(scores(out, photo), expected, rtol=1e-5, atol=1e-5)
    given, written = load_file(place / "vit/model.safetensors"), load_file(out / "model.safetensors")
    assert given.keys() == written.keys()
    assert all(torch.equal(value, written[name]) for name, value in given.items())
    for name in ("config.json", "preprocessor_config.json"):
        assert json.loads((out / name).read_text()) == json.loads((place / "vit" / name).read_text())
    assert "library_name: transformers" in (out / "README.md").read_text()


def test_forget_takes_a_folder_and_returns_one(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    run: Callable[[list[str]], object] = forget.run
    monkeypatch.setattr(forget, "run", lambda words: (ran.append(words), run(words))[1])
    words = ["forget", "--model", str(place / "vit"), "--images", str(place / "photos"), "--out", str(tmp_path / "r")]
    words += ["--forget", str(place / "ids.txt")]
    assert main(words) == 0
    assert [words[0] for words in ran] == ["import", "split", "unlearn", "audit", "export"]
    assert f"{tmp_path}/r/vit_unlearned (weights)" in capsys.readouterr().out
    photo = Image.open(place / "photos/test/emu/1.png")
    unlearned, encoder = scores(tmp_path / "r/vit_unlearned", photo), runs.open_learner(tmp_path / "r/unlearned")
    assert not torch.equal(unlearned, scores(place / "vit", photo))
    processor = transformers.AutoImageProcessor.from_pretrained(place / "vit", backend="pil")
    with torch.no_grad():
        ours = encoder.eval().class_scores(processor(photo, return_tensors="pt")["pixel_values"])
    torch.testing.assert_close(ours, unlearned, rtol=1e-5, atol=1e-5)
    ran.clear()
    assert main(words) == 0
    assert ran == []


def test_an_owner_opens_the_folder(place: Path) -> None:
    (file,) = with_weights_files("import", [str(place / "vit")])
    encoder = open_encoder(file)
    photo = Image.open(place / "photos/test/emu/1.png")
    assert encoder.resize is not None
    vectors = encoder(np.array(encoder.resize(photo))[None])
    net = transformers.AutoModelForImageClassification.from_pretrained(place / "vit").eval()
    processor = transformers.AutoImageProcessor.from_pretrained(place / "vit", backend="pil")
    with torch.no_grad():
        expected = net.vit(**processor(photo, return_tensors="pt")).last_hidden_state[:, 0]
    torch.testing.assert_close(vectors, expected, rtol=1e-5, atol=1e-5)
