"""The command ``split``, in process, on tiny digits, against calculations of its own."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.commands.main import main
from unlearning_pl.data import Digits, ImageSet, UnlearningData
from unlearning_pl.data.captions import tokenize
from unlearning_pl.data.splits.request_rows import seeded_permutation
from unlearning_pl.errors import InputError
from unlearning_pl.splitting.preview import read_earlier
from unlearning_pl.splitting.select_images import Choice, ordered, select_images
from unlearning_pl.splitting.training_features import TrainingFeatures, even_batches, extract_features
from unlearning_pl.training import runs
from unlearning_pl.types import Pixels, Sample

DATA = "--data.source Digits --data.source.train_size 60 --data.validation 0.1 --data.batch_size 20"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs"


def command(words: str) -> int:
    return main(words.split())


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, one that forgot, and a SimCLR encoder."""
    place = tmp_path_factory.mktemp("runs")
    classifier = f"--model Classifier --model.backbone resnet9_slim {DATA} {QUIET} 4"
    assert command(f"fit {classifier} --run {place}/original") == 0
    assert command(f"unlearn --original {place}/original --run {place}/one --forget.count 6 {QUIET} 1") == 0
    assert command(f"fit --model SimCLR --model.backbone resnet9_slim {DATA} {QUIET} 1 --run {place}/simclr") == 0
    return place


def split(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """What the command writes and prints."""
    capsys.readouterr()
    assert command(f"split {words} --output ids.json --overwrite") == 0
    return json.loads(Path("ids.json").read_text()), capsys.readouterr().out


def error(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert command(f"split {words}") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def digits() -> ImageSet:
    return Digits(train_size=60).load()[0]


def kept() -> list[int]:
    """Rows that are trained on, by the draw of what is held out."""
    return sorted(seeded_permutation(60, (0, 1))[6:].tolist())


def cells(printed: str) -> dict[str, list[str]]:
    """Rows of all tables by their first cell."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines() if line.strip()]
    return {first: rest for first, *rest in rows if rest}


def test_counts_and_classes_are_those_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    written, printed = split(f"{DATA} --data.forget.where class<4", capsys)
    train = digits()
    expected = [train.ids[row] for row in kept() if train.targets[row] < 4]
    assert written["forget"] == expected
    assert written["request"] == {"where": "class<4"}
    found = cells(printed)
    assert found["forget (where class<4)"] == [str(len(expected))]
    assert found["retain"] == [str(54 - len(expected))]
    assert (found["validation"], found["test"]) == (["6"], ["797"])
    counts = np.bincount(train.targets[kept()].numpy(), minlength=10)
    for name, count in enumerate(counts.tolist()):
        asked = count if name < 4 else 0
        assert found[str(name)] == [str(asked), str(count), f"{100 * asked / count:.1f}"]


def test_a_request_by_class_is_told_by_class(capsys: pytest.CaptureFixture[str]) -> None:
    found = cells(split(f"{DATA} --data.forget.per_class.3 2 --data.forget.per_class.1 1", capsys)[1])
    assert found["forget (per_class 3 2, 1 1, seed 0)"] == ["3"]


def test_near_duplicates_are_correlations_of_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    written, printed = split(f"{DATA} --data.forget.count 12 --threshold 0.85 --show 3", capsys)
    train, forget = digits(), written["forget"]
    gray = train.images[:, 0].flatten(1).numpy().astype(float)  # 16x16 already
    cosine = np.corrcoef(gray)
    retain = [train.ids[row] for row in kept() if train.ids[row] not in forget]
    row = {name: position for position, name in enumerate(train.ids)}
    expected = {(a, b): cosine[row[a], row[b]] for a in forget for b in retain if cosine[row[a], row[b]] >= 0.85}
    found = {(pair["forget"], pair["retain"]): pair["similarity"] for pair in written["near_duplicates"]}
    assert len(expected) > 3
    assert found == {pair: pytest.approx(value, abs=1e-4) for pair, value in expected.items()}
    assert [*found.values()] == sorted(found.values(), reverse=True)
    copied, copies = (len({pair[side] for pair in expected}) for side in (0, 1))
    told = " ".join(printed.split())
    assert f"{copied} of the 12 images to forget have a near duplicate in the retain set" in told
    assert f"{len(expected)} pairs with {copies} retained" in told
    assert f"{len(expected) - 3} more" in told


def test_copies_can_be_asked_for_too_and_the_file_is_a_request(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, _ = split(f"{DATA} --data.forget.count 5 --threshold 0.85", capsys)
    written, printed = split(f"{DATA} --data.forget.count 5 --threshold 0.85 --include_duplicates", capsys)
    copies = {pair["retain"] for pair in written["near_duplicates"]}
    assert copies
    assert written["forget"][:5] == alone["forget"]
    assert set(written["forget"]) == {*alone["forget"], *copies}
    pairs = len(written["near_duplicates"])
    assert f"Ids of {5 + len(copies)} images, with {pairs} pairs of near duplicates: ids.json" in printed
    assert command(f"unlearn --original {made}/original --run again --forget.file ids.json {QUIET} 1") == 0
    assert set(runs.read_split("again")["forget"]) == set(written["forget"])
    retrain = f"fit --config {made}/original/config.yaml --run retrained --data.train_on retain"
    assert command(f"{retrain} --data.forget.file ids.json {QUIET} 1") == 0
    assert runs.read_split("retrained")["forget"] == runs.read_split("again")["forget"]


def losses(run: Path) -> tuple[Tensor, Tensor]:
    """Features and cross-entropy of each training digit, by hand: another path than the command's."""
    learner, train = runs.open_learner(run).eval(), digits()
    images = (train.images.float() / 255 - Digits.mean[0]) / Digits.std[0]
    with torch.no_grad():
        features = learner.features(images)
        logits = learner.classify(features)
    assert logits is not None
    return features, -logits.double().softmax(dim=1)[torch.arange(60), train.targets].log()


@pytest.mark.parametrize("way", ["hardest", "easiest"])
def test_hard_images_are_those_of_high_loss(way: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, printed = split(f"--original {made}/original --{way} 9", capsys)
    loss = losses(made / "original")[1].numpy()
    order = sorted(kept(), key=lambda row: loss[row], reverse=way == "hardest")
    assert {digits().ids[row] for row in order[:9]} == set(written["forget"])
    assert written["request"] == {way: 9, "original": f"{made}/original"}
    assert cells(printed)["retain"] == ["45"]


def test_the_nearest_are_an_image_and_its_neighbours(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, row = digits(), kept()[7]
    written, _ = split(f"--original {made}/original --nearest {train.ids[row]} --count 6", capsys)
    features = losses(made / "original")[0]
    cosine = F.normalize(features.double()) @ F.normalize(features.double())[row]
    order = sorted(kept(), key=lambda other: -cosine[other])
    assert order[0] == row
    assert {train.ids[other] for other in order[:6]} == set(written["forget"])


def test_an_image_is_nearer_to_itself_than_its_copies() -> None:
    data = UnlearningData(Digits(train_size=60))
    rows = torch.arange(60)
    looks = TrainingFeatures(rows, torch.ones(60, 4), torch.zeros(60))
    last = max(data.ids[:60])  # equal ones are taken by id
    assert select_images(Choice(nearest=last, count=2), looks, data, rows) == [last, min(data.ids[:60])]


def test_an_encoder_s_choice_repeats_exactly(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, again = (split(f"--original {made}/simclr --hardest 8 --threshold 0.9", capsys) for _ in range(2))
    assert first == again
    torch.manual_seed(5)
    assert split(f"--original {made}/simclr --hardest 8 --threshold 0.9", capsys) == first
    easy, _ = split(f"--original {made}/simclr --easiest 8", capsys)
    assert not {*easy["forget"]} & {*first[0]["forget"]}


@pytest.mark.parametrize("images", [30, 54, 55, 97, 1000])
@pytest.mark.parametrize("most", [1, 2, 20, 24])
def test_no_batch_is_much_smaller_than_the_others(images: int, most: int) -> None:
    size = even_batches(images, most)
    assert most / 2 <= size <= most
    last = images % size or size
    assert last / size == max((images % one or one) / one for one in range((most + 1) // 2, most + 1))


def test_easy_images_of_an_encoder_are_not_those_of_a_small_batch(made: Path) -> None:
    data = runs.open_data(made / "simclr")
    looks = extract_features(data, runs.open_learner(made / "simclr"))
    assert data.batch_size == 20
    # 54 images: were the last 14 a batch of their own, their losses would be lower by log(28 / 40)
    batches = [part.mean().item() for part in looks.losses.split(18)]
    assert max(batches) - min(batches) < 0.2


def test_images_are_normalised_as_the_model_wants_them(made: Path) -> None:
    data, learner = runs.open_data(made / "simclr"), runs.open_learner(made / "simclr").eval()
    learner.pixels = Pixels((0.2, 0.3, 0.4), (0.5, 0.6, 0.7))
    images = data.load()[0].images[kept()].float() / 255
    mean, std = (torch.tensor(values)[:, None, None] for values in learner.pixels)
    with torch.no_grad():
        expected = learner.features((images - mean) / std)
    torch.testing.assert_close(extract_features(data, learner).vectors, expected, atol=1e-5, rtol=1e-4)


def test_a_model_without_numbers_is_refused(made: Path) -> None:
    learner = runs.open_learner(made / "simclr")
    with torch.no_grad():
        next(learner.parameters()).fill_(float("nan"))
    with pytest.raises(InputError, match="got NaN or infinity"):
        extract_features(runs.open_data(made / "simclr"), learner)


def test_a_model_of_pairs_judges_them_with_their_captions(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = f"--model CLIP --model.model ViT-slim --model.image_size 8 --data.batch_size 27 {QUIET} 1"
    captions = "--data.source TemplateCaptions --data.source.source Digits --data.source.source.train_size 60"
    small = f"{captions} --data.source.source.image_size 8 --data.validation 0.1"
    assert command(f"fit {clip} {small} --run clip") == 0
    written, _ = split("--original clip --hardest 5", capsys)
    learner, data = runs.open_learner("clip").eval(), runs.open_data("clip")
    train = data.load()[0]
    images = (train.images.float() / 255 - torch.tensor(Digits.mean)[:, None, None]) / Digits.std[0]
    assert train.captions is not None
    text = tokenize([said[0] for said in train.captions], learner.context_length or 0)
    loss = []
    with torch.no_grad():
        for rows in torch.tensor(kept()).split(27):
            image, words = learner.outputs(Sample((images[rows],), train.targets[rows], rows, text[rows]))
            logits = F.normalize(image) @ F.normalize(words).T / learner.temperature
            own = torch.arange(27)
            loss.append(
                (F.cross_entropy(logits, own, reduction="none") + F.cross_entropy(logits.T, own, reduction="none")) / 2
            )
    hardest = torch.cat(loss).argsort(descending=True)[:5].tolist()
    assert {train.ids[kept()[row]] for row in hardest} == set(written["forget"])


def test_equal_images_are_taken_by_id() -> None:
    values = torch.tensor([0.5, 2.0, 0.5, 0.5, float("inf")])
    assert ordered(values, ["train/9", "x", "train/10", "a", "y"]) == ["y", "x", "a", "train/10", "train/9"]


def test_overlap_with_earlier_requests(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = runs.read_split(made / "one")["forget"]
    others = [digits().ids[row] for row in kept() if digits().ids[row] not in before]
    Path("asked.txt").write_text("\n".join([*before[:2], others[0], "nobody"]))
    ids = " ".join(f"--data.forget.ids+={name}" for name in [*before[:4], *others[:3]])
    written, printed = split(f"{DATA} {ids} --earlier asked.txt {made}/one", capsys)
    assert len(written["forget"]) == 7
    assert cells(printed)["asked.txt"] == ["4", "3"]
    assert re.search(r"\s6\s+4\s*\n", printed)  # the name of the run takes several lines


def test_a_run_that_forgot_in_steps_is_told_step_by_step() -> None:
    Path("two").mkdir()
    steps = [{"request": {}, "forget": ["1", "2"]}, {"request": {}, "forget": ["3"]}]
    Path("two/split.json").write_text(json.dumps({"forget": ["1", "2", "3"], "validation": [], "steps": steps}))
    assert read_earlier(["two"], []) == {"two, step 1": ["1", "2"], "two, step 2": ["3"]}


def test_thresholds_are_of_what_is_compared(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by = "near_duplicates_by"
    found = split(f"{DATA} --data.forget.count 2", capsys)[0][by]
    assert (found["vectors"], found["threshold"]) == ("pixels", 0.97)
    found = split(f"--original {made}/simclr --forget.count 2", capsys)[0][by]
    assert (found["vectors"], found["threshold"]) == (f"{made}/simclr", 0.98)


def test_a_run_that_forgot_is_asked_for_more(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = runs.read_split(made / "one")["forget"]
    written, printed = split(f"--original {made}/one --hardest 10", capsys)
    assert not set(before) & set(written["forget"])
    found = cells(printed)
    assert (found["forgotten before"], found["retain"]) == (["6"], ["38"])
    loss = losses(made / "one")[1].numpy()
    left = [row for row in kept() if digits().ids[row] not in before]
    order = sorted(left, key=lambda row: -loss[row])
    assert {digits().ids[row] for row in order[:10]} == set(written["forget"])
    message = error(f"--original {made}/one --nearest {before[0]} --count 3", capsys)
    assert f"in --nearest, got {before[0]!r}, which has been forgotten before" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (f"{DATA}", "Expected a forget request, got none."),
        (f"{DATA} --hardest 3", "Expected --original RUN with --hardest, got none."),
        ("--original RUN --hardest 3 --easiest 3", "got --hardest and --easiest. Keep one"),
        ("--original RUN --hardest 3 --forget.count 3", "got --hardest and --forget. Keep one"),
        ("--original RUN --hardest 0", "Expected --hardest >= 1, got 0."),
        ("--original RUN --hardest 54", "Expected fewer than the 54 images to choose from, got 54."),
        ("--original RUN --nearest 3", "Expected --nearest ID and --count N together, got --nearest alone."),
        ("--original RUN --count 3", "Expected --nearest ID and --count N together, got --count alone."),
        ("--original RUN --nearest TEST --count 3", "which is a test image and never trained on"),
        ("--original RUN --nearest HELD --count 3", "which is held out for validation and never trained on"),
        ("--original RUN --nearest x --count 3", "in --nearest, got 'x', which is not in the training data."),
        ("--original RUN", "Expected a forget request, got none."),
        ("--original nowhere --forget.count 3", "Expected a finished run, got nowhere"),
        ("--config RUN/config.yaml --original RUN --forget.count 3", "Expected --original, or --config, got both."),
        (f"{DATA} --forget.count 3 --threshold 0", "Expected --threshold above 0 and up to 1, got 0.0."),
        (f"{DATA} --forget.count 3 --show -1", "Expected --show >= 0, got -1."),
        (f"{DATA} --forget.count 3 --include_duplicates", "Expected --output FILE.json with --include_duplicates"),
        (f"{DATA} --forget.count 3 --output a.txt", "Expected a .json file as --output, got a.txt."),
        (f"{DATA} --forget.count 3 --output old.json", "got old.json, which exists. Add --overwrite"),
        (f"{DATA} --forget.count 3 --output folder.json --overwrite", "got folder.json, which is a folder."),
        (f"{DATA} --forget.count 3 --output old.json/a.json", "Expected a writable folder, got old.json (File exists)"),
        (f"{DATA} --forget.count 54", "which means all."),
        (
            f"{DATA} --forget.count 3 --earlier nowhere",
            "Expected a run folder or a file of ids at --earlier, got 'nowhere', which does not exist.",
        ),
        (
            f"{DATA} --forget.count 3 --threshold 0.01 --include_duplicates --output a.json",
            "got near duplicates of all of them",
        ),
        (f"{DATA} --forget.cont 3", "Did you mean --forget.count?"),
    ],
)
def test_a_mistake_gets_one_line(words: str, message: str, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("old.json").write_text("[]")
    Path("folder.json").mkdir()
    held = digits().ids[int(seeded_permutation(60, (0, 1))[0])]
    test = Digits(train_size=60).load()[1].ids[0]
    words = words.replace("RUN", f"{made}/original").replace("TEST", test).replace("HELD", held)
    assert message in error(words, capsys)
    assert Path("old.json").read_text() == "[]"
    assert not Path("a.json").exists()
