"""docs/deletion.md lists every file that a command writes."""

import re
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearning_pl.commands.main import main

PAGE = Path(__file__).parents[1] / "docs/deletion.md"
DATA = "--data.source Digits --data.source.train_size 40 --data.source.image_size 16 --data.batch_size 10"
MODEL = "--model MoCo --model.backbone resnet9_slim --model.queue_size 16"
TRAINER = "--trainer.enable_progress_bar false --trainer.max_epochs 1"
CAPTIONED = (
    DATA.replace("--data.source Digits", "--data.source TemplateCaptions --data.source.source Digits")
    .replace("source.train_size", "source.source.train_size")
    .replace("source.image_size", "source.source.image_size")
)
COMMANDS = (
    f"fit {MODEL} {DATA} {TRAINER} --run original",
    f"fit {MODEL} {DATA} {TRAINER} --run retrained --data.train_on retain --data.forget.count 4",
    f"unlearn --original original --run unlearned --method SalUn --forget.count 4 {TRAINER}",
    "audit --model unlearned --original original --retrained retrained --views 2 --relearning 0",
    "predict --run unlearned",
    *(f"predict --run unlearned --to p.{ending}" for ending in ("npz", "csv", "parquet")),
    *(f"export --run unlearned --to m.{ending}" for ending in ("safetensors", "pth", "ts", "onnx")),
    "export --run unlearned --to hub --format huggingface",
    f"fit --model CLIP --model.model ViT-slim --model.image_size 16 {CAPTIONED} {TRAINER} --run clip",
    "export --run clip --to clip_hub --format huggingface",
    "split --original original --forget.count 4 --output ids.json",
    "views --run original",
    "owner --before original --after unlearned --images mine --views 2",
)
ELSEWHERE = ("table.md", "log.txt", "seen.json", "unseen.json", "scores.npz", "shadow.json", ".pixels")
"""Files of a benchmark, of shadow models, which other processes train, and of large data sets."""


def listed() -> list[str]:
    """The first column of the table as patterns: what stands for a name matches any name, and no folder."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text(), flags=re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`([^ `]+)`", row) if "." in path]
    return [re.sub(r"\b(RUN|OUTPUT|PLAN|seedK|K|NAME|FILE|runs/original)\b", "*", path) for path in paths]


def matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


@pytest.mark.slow
def test_every_file_that_a_command_writes_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "mine"
    mine.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(mine / f"{number}.png")
    for line in COMMANDS:
        assert main(line.split()) == 0, line
    files = [path for path in tmp_path.rglob("*") if path.is_file() and mine not in path.parents]
    written = [path.relative_to(tmp_path).as_posix() for path in files]
    patterns = listed()
    assert not [path for path in written if not any(matches(path, pattern) for pattern in patterns)]
    elsewhere = [pattern for pattern in patterns if pattern.endswith(ELSEWHERE)]
    assert not [p for p in patterns if p not in elsewhere and not any(matches(path, p) for path in written)]
