"""An owner's audit: the same figures wherever the models are, equal to plain loops, and nothing that is not known."""

import json
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import HTTPServer
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import Features, export
from PIL import Image
from torch import Tensor

from unlearning_pl.audits import Audit, compare
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.blackbox import EmbeddingServer, Encoder, audit_images, open_encoder, open_owner_images
from unlearning_pl.blackbox.image_folder import augmented_views
from unlearning_pl.blackbox.owner_audit import embed_images
from unlearning_pl.blackbox.owner_conclusion import conclusion, question, remarks
from unlearning_pl.commands.main import main
from unlearning_pl.data import ContrastiveViews, Digits, JitterViews
from unlearning_pl.errors import InputError
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict
from unlearning_pl.training import runs

Serving = Callable[[HTTPServer], AbstractContextManager[str]]
KNOWN = {"membership_auc", "forget_alignment", "forgetting_score"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(words: str) -> int:
    return main(words.split())


def error(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """The one line that a mistake gets."""
    assert code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("unlearning-pl: error: ")
    return line


def report(folder: Path) -> dict[str, dict[str, object]]:
    """Each model's part of report.json by its name."""
    return {audit["name"]: audit for audit in json.loads((folder / "report.json").read_text())["audits"]}


def close(ours: object, theirs: object) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(close(ours[key], theirs[key]) for key in ours)
    return ours == theirs if isinstance(ours, str) else ours == pytest.approx(theirs, abs=2e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch asks for another kind of export
@pytest.mark.parametrize("kind", ["ckpt", "pt", "onnx", "http"])
def test_the_figures_are_the_same_wherever_the_model_is(
    kind: str, made: Path, owned: Path, tmp_path: Path, serving: Serving
) -> None:
    asked = f"--images {owned}/mine --unseen {owned}/strange --views 4"
    assert command(f"owner --before {made}/original --after {made}/after {asked} --output run") == 0
    if kind == "http":
        with serving(EmbeddingServer(open_encoder(str(made / "after")), port=0)) as address:
            assert command(f"owner --before {made}/original --after {address} {asked} --output other") == 0
    else:
        other = made / "after/checkpoints/last.ckpt"
        if kind != "ckpt":
            other = export(Features(runs.open_learner(made / "after")), tmp_path / f"a.{kind}")
        pixels = f"--mean {Digits.mean[0]} --std {Digits.std[0]} --image_size 8"
        assert command(f"owner --before {made}/original --after {other} {asked} {pixels} --output other") == 0
    ours, theirs = report(tmp_path / "run"), report(tmp_path / "other")
    assert ours["original"] == theirs["original"]
    assert close(ours["after"], theirs["after"])
    assert not close(ours["after"]["scores"], ours["original"]["scores"])


def test_scores_and_alignment_equal_plain_loops(made: Path, owned: Path) -> None:
    encoder, pictures = open_encoder(str(made / "after")), open_owner_images(owned / "mine")
    (audit,) = audit_images({"original": encoder}, {"forget": pictures}, ContrastiveViews(), 3)
    (images,) = pictures.batches((8, 8))
    views = [encoder(view).double().numpy() for view in augmented_views(images, ContrastiveViews(), 3, "forget", 0)]

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    for row in range(9):
        pairs = [cosine(views[a][row], views[b][row]) for a, b in combinations(range(3), 2)]
        assert audit.scores["forget"][row].item() == pytest.approx(sum(pairs) / 3, abs=1e-6)
        for column in range(9):
            expected = cosine(views[0][row], views[1][column])
            assert audit.alignment[row, column].item() == pytest.approx(expected, abs=1e-6)
    mean = sum(cosine(views[0][row], views[1][row]) for row in range(9)) / 9
    assert audit.metrics["forget_alignment"] == pytest.approx(mean, abs=1e-6)


def test_gap_and_forgetting_score_equal_plain_loops(made: Path, owned: Path) -> None:
    encoders = {"original": open_encoder(str(made / "original")), "after": open_encoder(str(made / "after"))}
    audits = audit_images(encoders, {"forget": open_owner_images(owned / "mine")}, JitterViews(), 2)
    before, after = (audit.alignment for audit in audits)
    loop = sum(before[row, row].item() - after[row, row].item() for row in range(9)) / 9
    assert audits[1].metrics["forgetting_score"] == pytest.approx(loop, abs=1e-6)
    assert abs(loop) > 1e-4


def test_nothing_is_said_that_an_owner_cannot_know(made: Path, owned: Path, tmp_path: Path) -> None:
    words = f"--before {made}/original --after {made}/after --images {owned}/mine --views 3"
    assert command(f"owner {words} --unseen {owned}/strange --reference {made}/after --output all") == 0
    found = report(tmp_path / "all")
    assert list(found) == ["after", "original", "retrained"]
    compared = {"retraining_distance", "retraining_floor"}
    assert all(audit["metrics"].keys() - compared == KNOWN for audit in found.values())
    assert found["after"]["verdict"]["compared"] == 1
    assert command(f"owner {words} --output alone") == 0
    assert all(audit["metrics"].keys() == KNOWN - {"membership_auc"} for audit in report(tmp_path / "alone").values())
    context = json.loads((tmp_path / "all/report.json").read_text())["context"]
    assert context["counts"] == {"forget": 9, "test": 7}
    assert context["commands"][0].startswith("unlearning-pl owner --before ")


def test_the_page_is_an_owners(made: Path, owned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"--before {made}/original --after {made}/after --images {owned}/mine --unseen {owned}/strange --views 3"
    assert command(f"owner {words} --output out[v2]") == 0
    shown = capsys.readouterr().out
    address = (tmp_path / "out[v2]/report.html").as_uri()
    assert shown.endswith(f"\nReport: out[v2]/report.html\nOpen: {address}\n")
    page = re.sub(r"<[^>]*>", " ", (tmp_path / "out[v2]/report.html").read_text())
    told = " ".join(page.split())
    assert "Owner&#39;s audit" in told
    assert "9 images of their owner were to be forgotten. 7 more" in told
    assert "the attacker calls an image a member" not in told
    assert "accuracy" not in told.lower()
    assert "not defined" not in told
    said = " ".join(shown.split())
    assert any(words in said for words in ("Cannot tell:", "It still remembers:"))
    assert "in 80 of 100 cases" in said


@pytest.mark.parametrize("policy", [ContrastiveViews(), JitterViews()])
def test_every_model_is_shown_the_same_views_in_whole_shades(policy: torch.nn.Module, owned: Path) -> None:
    shown: dict[str, list[Tensor]] = {"first": [], "second": []}

    def watching(name: str, batch: int) -> Encoder:
        def embed(images: Tensor) -> Tensor:
            shown[name].append(images.clone())
            torch.rand(len(shown[name]))  # what a model draws changes nothing
            return images.flatten(1).float() + 1

        return Encoder(name, embed, (8, 8), batch)

    pictures = open_owner_images(owned / "mine")
    for name, batch in (("first", 256), ("second", 7)):
        embed_images(watching(name, batch), pictures, "forget", policy, 3)
    first, second = (torch.cat(images) for images in shown.values())
    assert first.shape == (4 * 9, 8, 8, 3)
    assert torch.equal(first, second)
    (clean,) = pictures.batches((8, 8))
    assert torch.equal(first[:9], clean)
    assert not torch.equal(first[9:18], first[18:27])


def test_views_leave_the_rest_of_chance_alone() -> None:
    torch.manual_seed(3)
    views = augmented_views(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), JitterViews(), 2, "forget", 0)
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(4), after)
    other = augmented_views(torch.zeros(2, 8, 8, 3, dtype=torch.uint8), JitterViews(), 2, "test", 0)
    assert not torch.equal(views, other)


def test_images_are_found_below_a_folder_in_order_and_resized(owned: Path, tmp_path: Path) -> None:
    shutil.copytree(owned / "mine", tmp_path / "mine")
    (tmp_path / "mine/notes.txt").write_text("no image")
    (tmp_path / "mine/.hidden.png").write_text("no image")
    Image.new("L", (20, 10), 7).save(tmp_path / "mine/gray.webp", lossless=True)
    Image.new("RGBA", (3, 3), (9, 9, 9, 0)).save(tmp_path / "mine/Z.BMP")
    Image.new("L", (8, 8), 9).save(tmp_path / "mine/scan.tiff")
    pictures = open_owner_images(tmp_path / "mine")
    plain = ["1.png", "2.png", "4.png", "5.png", "7.png", "8.png"]
    deeper = ["deeper/0.png", "deeper/3.png", "deeper/6.png"]
    assert list(pictures.ids) == [*plain, "Z.BMP", *deeper, "gray.webp", "scan.tiff"]
    (images,) = pictures.batches((8, 6))
    assert images.shape == (12, 8, 6, 3)
    assert images[-2].unique().tolist() == [7]
    assert pictures.fingerprint() != open_owner_images(owned / "mine").fingerprint()


def test_photographs_are_upright_and_of_sixteen_bits_as_in_training(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    turned, deep = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3), np.arange(64, dtype=np.uint16) * 1000
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(turned).save(folder / "a.png", exif=exif)
    Image.fromarray(deep.reshape(8, 8)).save(folder / "b.png")
    pictures = open_owner_images(folder)
    assert np.array_equal(next(iter(pictures.batches((6, 4))))[0].numpy(), np.rot90(turned, -1))
    assert np.array_equal(next(iter(pictures.batches((8, 8))))[1, :, :, 0].numpy(), deep.reshape(8, 8) >> 8)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.eps", "EPS is not read"),
        ("b.HEIC", "HEIC is not read"),
        ("c.png", "EPS is not read"),
        ("d.tif", "not from 0"),
    ],
)
def test_pictures_that_are_not_read_are_named(name: str, reason: str, owned: Path, tmp_path: Path) -> None:
    shutil.copytree(owned / "mine", tmp_path / "mine")
    if name == "d.tif":
        Image.fromarray(np.full((8, 8), 200, np.float32)).save(tmp_path / "mine" / name)
    else:
        (tmp_path / "mine" / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(InputError, match=rf"got 1 that cannot: {name} \(.*{reason}.*convert it to"):
        open_owner_images(tmp_path / "mine")


def test_an_image_size_that_no_memory_holds_is_refused_before_any_image_is_sent(
    owned: Path, serving: Serving, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearning_pl.blackbox.image_folder.available_memory", lambda: 14 * 10**9)
    encoder = Encoder("large", lambda images: pytest.fail("it was asked"), (4096, 4096), dimensions=8)
    with serving(EmbeddingServer(encoder, port=0)) as address:
        line = error(capsys, command(f"owner --before {address} --after {address} --images {owned}/mine"))
    assert f"got 4096x4096 from {address}: 9 images in 10 views may take 159.5 GB, and 14.0 GB are free" in line


def audits(images: int = 100, **shifts: float) -> list[Audit]:
    """Models whose scores of the images of an owner lie higher by a shift, compared as an owner's audit does."""
    base = torch.linspace(-1, 1, images)
    given = [
        Audit(name, {}, {}, torch.zeros(0, 0), evidence=Evidence({"mean": (base + shift, base)}))
        for name, shift in shifts.items()
    ]
    return compare(given, *(name if name in shifts else None for name in ("original", "retrained")))


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (audits(original=0.5, after=0.05), "In the model before unlearning this attack found your images."),
        (audits(original=0.05, after=0.05), "no evidence that there is no trace"),
        (audits(original=0.5, after=0.4), "It still remembers"),
        (audits(original=0.5, after=-0.5), "Cannot tell"),
        # what differs from 0.5 in the reference as well is no memory
        (audits(original=1.9, retrained=0.9, after=0.9), "one retrained model does not show how far trainings differ"),
        (audits(original=0.9, retrained=0.0, after=0.0), "a random one would look the same"),
        (audits(original=0.9, retrained=-0.05, after=0.5), "It still remembers"),
        (audits(original=0.9, retrained=0.0, after=-0.8), "It over-forgets"),
        (audits(2, original=0.9, after=0.1), "More images reveal smaller traces"),
    ],
)
def test_the_conclusion_follows_from_the_figures(models: list[Audit], words: str) -> None:
    assert words in conclusion(models)


def test_the_page_gets_what_the_verdict_does_not_say() -> None:
    found = audits(2, original=0.9, after=0.1)
    said = [describe(found[1]) for describe in (describe_verdict, describe_attack, describe_power)]
    assert conclusion(found) == " ".join([*said, remarks(found)])
    assert remarks(found).startswith("More images reveal smaller traces, and so do views like those of the training")
    assert remarks(audits(original=0.5, after=0.4)) == ""


def test_a_server_that_answers_every_image_alike_is_broken() -> None:
    constant = Audit("after", {}, {}, torch.zeros(0, 0), evidence=Evidence({"mean": (torch.ones(40), torch.ones(90))}))
    (judged,) = compare([constant])
    assert conclusion([judged]).startswith("Broken: it gives all images the same score")


def test_one_image_is_spoken_of_as_one() -> None:
    asked = "1 image of its owner was to be forgotten. 1 more of that owner was never given to any model and stands for"
    assert question({"forget": 1, "test": 1}).startswith(asked)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--before nowhere", "Expected a model, got nowhere"),
        ("--after http://127.0.0.1:9", "got no response"),
        ("--images nowhere", "Expected a folder of images, got nowhere"),
        ("--images empty", "Expected images"),
        (
            "--images broken",
            "got 2 that cannot: a.png (image file is truncated), b.jpg (no image format that Pillow knows)",
        ),
        ("--unseen {mine}", "Expected unseen images that are not among the images, got 9 in both"),
        ("--unseen {mine}/deeper", "got 3 in both"),
        ("--views 1", "Expected views >= 2"),
        ("--views few", "few"),
        ("--augmentation Jitter", "Did you mean JitterViews?"),
        ("--augmentation.min_scale 2", "min_scale"),
        ("--layer head", "head"),
        ("--timeout 0 --after http://127.0.0.1:9", "timeout > 0"),
        ("--image_size 0", "image_size >= 1"),
        ("--mean 1 2", "one or three numbers"),
        ("--output /proc/nowhere", "/proc/nowhere"),
        ("--befor x", "Did you mean --before?"),
    ],
)
def test_a_mistake_of_an_owner_gets_one_line(
    words: str, message: str, made: Path, owned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("empty", "broken"):
        (tmp_path / folder).mkdir()
    whole = (owned / "mine/1.png").read_bytes()
    (tmp_path / "broken/a.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken/b.jpg").write_text("no image")
    (tmp_path / "broken/c.png").write_bytes(whole)
    start = f"owner --before {made}/original --after {made}/after --images {owned}/mine --views 2 "
    assert message in error(capsys, command(start + words.format(mine=owned / "mine")))
    assert not (tmp_path / "owner_audit").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--run nowhere", "Expected a model, got nowhere"),
        ("--model nowhere", "Expected a model, got nowhere"),
        ("--run http://127.0.0.1:9", "Expected a model on this machine"),
        ("--run {made}/original --port 70000", "port from 0 to 65535"),
        ("--run {made}/original --host no.such.host.invalid", "no.such.host.invalid"),
        ("--run {made}/original --batch 0", "batch from 1 to 256"),
        ("", "the following arguments are required: run"),
    ],
)
def test_a_mistake_of_a_server_gets_one_line(
    words: str, message: str, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in error(capsys, command(f"serve {words.format(made=made)}"))


def test_a_folder_without_images_is_an_error_before_any_model_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected images"):
        open_owner_images(tmp_path)
