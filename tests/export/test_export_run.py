"""The command export: weights go home, traced models compute what the run does, mistakes are one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from learners.foreign_models import solo_learn_simclr
from safetensors.torch import load_file
from torchvision.models import mobilenet_v3_small

from unlearning_pl.blackbox.encoder_addresses import open_encoder
from unlearning_pl.commands.main import main
from unlearning_pl.export.original_file import original_file
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.types import Pixels

SOURCE = "--data.source"
DIGITS = [SOURCE, "Digits", f"{SOURCE}.train_size", "20", f"{SOURCE}.image_size", "32", "--data.batch_size", "10"]
QUICK = ["--trainer.enable_progress_bar", "false", "--trainer.max_epochs", "1", "--optimizer.lr", "0.01"]
TV = ["--model", "Classifier", "--model.backbone", "torchvision/mobilenet_v3_small", "--model.num_classes", "10"]
SOLO = ["--model", "SimCLR", "--model.backbone", "solo-learn/resnet18", "--model.projection_dim", "64"]
SOLO += ["--model.projection_head", "mlp", "--model.hidden_dim", "256"]
ONE = ["--forget.count", "2", *QUICK]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Imported runs of torchvision, unlearned twice, and of solo-learn, and one that was trained here."""
    folder = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    solo = {**solo_learn_simclr().state, "optimizer_states": [{"momentum": torch.ones(2)}]}
    half = mobilenet_v3_small(num_classes=10).half().state_dict()
    for name, state, model in (("tv", half, TV), ("solo", solo, SOLO)):
        torch.save(state, folder / f"{name}.pt")
        assert main(["import", f"{folder}/{name}.pt", "--run", f"{folder}/{name}", *model, *DIGITS]) == 0
    for original, run, model in (("tv/checkpoints/last.ckpt", "tv_1", [*TV, *DIGITS]), ("tv_1", "tv_2", [])):
        assert main(["unlearn", "--original", f"{folder}/{original}", "--run", f"{folder}/{run}", *model, *ONE]) == 0
    own = ["--model", "MoCo", "--model.backbone", "resnet9_slim", "--model.queue_size", "16"]
    assert main(["fit", *own, *DIGITS, *QUICK, "--run", f"{folder}/own"]) == 0
    return folder


def export(run: Path, to: Path, *options: str) -> int:
    return main(["export", "--run", str(run), "--to", str(to), *options])


def noise(rows: int = 3, size: int = 32) -> torch.Tensor:
    return torch.rand(rows, 3, size, size)


def run_outputs(run: Path, images: torch.Tensor, output: str) -> torch.Tensor:
    """Outputs of a run by its learner, the images normalised by the formula."""
    learner: Learner = runs.open_learner(run).eval()
    source = runs.instantiate_from_run(run, "source")
    mean, std = (np.array(values)[:, None, None] for values in learner.pixels or Pixels(source.mean, source.std))
    normalised = torch.from_numpy((images.double().numpy() - mean) / std).float()
    with torch.no_grad():
        if output == "scores":
            scores = learner.class_scores(normalised)
            assert scores is not None
            return scores
        return learner.features(normalised) if output == "features" else learner.embed(normalised)


def test_an_import_goes_back_bit_for_bit(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(home / "solo", tmp_path / "w.ckpt") == 0
    before, after = torch.load(home / "solo.pt"), torch.load(tmp_path / "w.ckpt")
    assert [*after] == ["state_dict", "epoch"]
    assert [*after["state_dict"]] == [*before["state_dict"]]
    for name, value in before["state_dict"].items():
        assert torch.equal(after["state_dict"][name], value)
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == f"Weights of {home}/solo (float32, names of {home}/solo.pt): {tmp_path}/w.ckpt"
    assert "Warning: copied from the file, as no part of the model: 2 tensors, first classifier.weight." in said
    assert "Not written, beside the weights: optimizer_states." in said
    assert export(home / "tv", tmp_path / "w.safetensors") == 0
    half = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(half[name], value) for name, value in torch.load(home / "tv.pt").items())


@pytest.mark.parametrize("run", ["tv_1", "tv_2"])
def test_unlearned_weights_load_where_the_model_came_from(run: str, home: Path, tmp_path: Path) -> None:
    assert export(home / run, tmp_path / "w.pth", "--dtype", "float32") == 0
    net = mobilenet_v3_small(num_classes=10)
    net.load_state_dict(torch.load(tmp_path / "w.pth"), strict=True)
    learner, images = runs.open_learner(home / run).eval(), noise()
    with torch.no_grad():
        torch.testing.assert_close(net.eval()(images), learner.class_scores(images), rtol=1e-5, atol=1e-5)
    original = torch.load(home / "tv.pt")
    assert not torch.equal(original["features.0.0.weight"].float(), net.state_dict()["features.0.0.weight"])
    assert export(home / run, tmp_path / "half.pt") == 0
    assert {value.dtype for value in torch.load(tmp_path / "half.pt").values()} == {torch.float16, torch.int64}


def test_the_original_is_found_through_runs_and_a_checkpoint(home: Path) -> None:
    assert original_file(home / "tv_1") == original_file(home / "tv_2") == home / "tv.pt"
    assert original_file(home / "own") is None


def test_a_file_that_was_unlearned_from_directly(home: Path, tmp_path: Path) -> None:
    words = ["unlearn", "--original", f"{home}/tv.pt", "--run", str(tmp_path / "run"), *TV, *DIGITS, *ONE]
    assert main(words) == 0
    assert export(tmp_path / "run", tmp_path / "w.pt") == 0
    mobilenet_v3_small(num_classes=10).load_state_dict(torch.load(tmp_path / "w.pt"), strict=True)


def test_a_run_that_was_trained_here_keeps_its_own_names(home: Path, tmp_path: Path) -> None:
    assert export(home / "own", tmp_path / "w.pt") == 0
    saved = read_checkpoint(home / "own")["state_dict"]
    written = torch.load(tmp_path / "w.pt")
    assert written.keys() == saved.keys()
    assert all(torch.equal(value, saved[name]) for name, value in written.items())
    assert export(home / "tv", tmp_path / "own.safetensors", "--names", "own") == 0
    assert "backbone.features.0.0.weight" in load_file(tmp_path / "own.safetensors")


def test_the_names_of_another_file(home: Path, tmp_path: Path) -> None:
    nested = {
        "model": {f"module.{name}": value for name, value in mobilenet_v3_small(num_classes=10).state_dict().items()}
    }
    torch.save(nested, tmp_path / "like.pt")
    assert export(home / "tv_1", tmp_path / "w.pt", "--like", str(tmp_path / "like.pt")) == 0
    written = torch.load(tmp_path / "w.pt")["model"]
    assert [*written] == [*nested["model"]]
    learner = runs.open_learner(home / "tv_1")
    assert torch.equal(written["module.classifier.3.bias"], learner.state_dict()["head.bias"])


@pytest.mark.parametrize("ending", [".ts", ".onnx"])
@pytest.mark.parametrize(("run", "output"), [("tv_1", "scores"), ("own", "features"), ("own", "embedding")])
def test_a_traced_model_computes_what_the_run_does(
    ending: str, run: str, output: str, home: Path, tmp_path: Path
) -> None:
    to = tmp_path / f"m{ending}"
    assert export(home / run, to, *(["--output", output] if output == "embedding" else [])) == 0
    images = noise(5)
    expected = run_outputs(home / run, images, output)
    if ending == ".ts":
        with pytest.warns(DeprecationWarning, match="torch.jit.load"):
            module = torch.jit.load(str(to))  # type: ignore[no-untyped-call]
        torch.testing.assert_close(module(images), expected, rtol=1e-5, atol=1e-5)
        held = {name.split(".")[1] for name in module.state_dict() if name.startswith("parts.")}
        heads = {"scores": {"head"}, "embedding": {"projection_head"}, "features": set[str]()}[output]
        assert held == {"backbone", *heads}
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(to))
        actual = torch.from_numpy(session.run([output], {"images": images.numpy()})[0])
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    pixels = torch.randint(256, (4, 32, 32, 3), dtype=torch.uint8)
    encoder = open_encoder(str(to), pixels=_sized(32))
    vectors = run_outputs(home / run, pixels.permute(0, 3, 1, 2).float() / 255, output)
    torch.testing.assert_close(encoder(pixels), vectors, rtol=1e-5, atol=1e-5)


def _sized(size: int) -> "object":
    from unlearning_pl.blackbox.encoder import Pixels as Preprocessing

    return Preprocessing(image_size=size)


REFUSED = [
    ("tv w.txt", "Expected --to with an ending of .safetensors, .pt, .pth, .ckpt, .ts, .onnx"),
    ("tv w", "Expected --to with an ending of"),
    ("tv there.pt", "Expected a new file as --to, got .*which exists. Choose another, or add --overwrite"),
    ("tv nowhere/w.pt", "Expected a file in a folder that exists as --to"),
    ("tv full --format huggingface", "Expected an empty or new folder as --to, got .*which has files"),
    ("tv full --format onnx", "Expected a file as --to, got the folder"),
    ("tv there.pt --format huggingface --overwrite", "Expected a folder as --to, got the file"),
    ("tv w.pt --like there.pt", "which is a text file"),
    ("tv w.pt --like own/checkpoints/last.ckpt", "with weights of the run's own Classifier, got"),
    ("tv w.pt --like gone.pt", "Expected a file of weights as --like, got .*gone.pt, which is none"),
    ("tv w.pt --like there.pt --names own", "Expected --like or --names own, got both"),
    ("own w.pt --names original", "Expected a run that comes from a file .*which was trained here"),
    ("tv w.onnx --dtype float16", "Expected --dtype float32 with onnx, got float16"),
    ("tv w.ts --names own", "Expected no --names with --format torchscript"),
    ("tv w.pt --output scores", "Expected no --output with --format torch"),
    ("own w.ts --output scores", "Expected a classifier for --output scores, got MoCo"),
    ("tv own/checkpoints/last.ckpt --overwrite", "which belongs to a run"),
    ("tv own --format huggingface --overwrite", "which belongs to a run"),
    ("unfinished w.pt", "Expected a finished run, got .*without run.json"),
    ("unfinished w.ts", "Expected a finished run, got .*without run.json"),
    ("swapped w.pt", "Expected the weights that the run .* ended with, got others"),
    ("moved w.pt", "Expected .*tv.pt as it was when the run .* came from it, SHA-256 .*--like FILE"),
    ("gone w.pt", "Expected .*gone.pt, which the run .* comes from, got no such file. Give a copy"),
]


@pytest.fixture(scope="module")
def odd(home: Path) -> Path:
    """Runs and files that cannot be exported, beside those that can."""
    (home / "there.pt").write_text("there")
    (home / "full").mkdir()
    (home / "full/a").touch()
    for name, file in (("unfinished", "run.json"), ("swapped", ""), ("moved", ""), ("gone", "")):
        for part in ("config.yaml", "split.json", "run.json", "checkpoints/last.ckpt"):
            (home / name / part).parent.mkdir(parents=True, exist_ok=True)
            if part != file:
                (home / name / part).symlink_to(home / "tv" / part)
    (home / "swapped/checkpoints/last.ckpt").unlink()
    (home / "swapped/checkpoints/last.ckpt").symlink_to(home / "tv_1/checkpoints/last.ckpt")
    record = json.loads((home / "tv/run.json").read_text())
    for name, facts in (("moved", {"sha256": "0" * 64}), ("gone", {"file": str(home / "gone.pt")})):
        (home / name / "run.json").unlink()
        changed = {**record, "imported": {**record["imported"], **facts}}
        (home / name / "run.json").write_text(json.dumps(changed))
    return home


@pytest.mark.parametrize(("words", "message"), REFUSED, ids=[words for words, _ in REFUSED])
def test_mistakes_are_one_line_and_write_nothing(
    words: str,
    message: str,
    odd: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(odd)
    before = {path: path.stat().st_mtime_ns for path in odd.rglob("*") if path.name != ".run.lock"}
    run, to, *options = words.split()
    assert main(["export", "--run", run, "--to", to, *options]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert error.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in odd.rglob("*") if path.name != ".run.lock"} == before


def test_overwrite_replaces_the_file(home: Path, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_text("old")
    assert export(home / "own", tmp_path / "w.safetensors", "--overwrite", "--dtype", "bfloat16") == 0
    written = load_file(tmp_path / "w.safetensors")
    assert {value.dtype for value in written.values()} == {torch.bfloat16, torch.int64}
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
