"""Every format holds the same rows, and the numbers of the learner itself."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from unlearning_pl.cli.predictions import Predictions, check_predictions_file, write_predictions
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs

DATA = "--data.source Digits --data.source.train_size 12 --data.source.image_size 8 --data.batch_size 6"
TRAINER = "--trainer.enable_progress_bar false --trainer.max_epochs 1 --model.backbone resnet9_slim"


def read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, probabilities and features of a file."""
    if path.suffix == ".npz":
        saved = np.load(path)
        return saved["ids"].tolist(), saved["probabilities"], saved["features"]
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        columns = (np.array(table[name].to_pylist(), dtype=np.float32) for name in ("probabilities", "features"))
        return table["id"].to_pylist(), *columns
    head, *rows = csv.reader(path.read_text().splitlines())
    classes = sum(name.startswith("probability_") for name in head)
    assert head[:2] == ["id", "probability_0"]
    assert head[classes + 1] == "feature_0"
    values = np.array([row[1:] for row in rows], dtype=np.float32)
    return [row[0] for row in rows], values[:, :classes], values[:, classes:]


def test_every_format_holds_the_learners_own_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(f"fit --model Classifier {TRAINER} {DATA} --run run".split()) == 0
    command = "predict --run run --trainer.enable_progress_bar false"
    for option in ("", " --to a.csv", " --to a.parquet", " --to a.npz"):
        assert main((command + option).split()) == 0
    assert main(f"{command} --to a.csv".split()) == 2  # it is there
    assert main(f"{command} --to a.csv --overwrite".split()) == 0
    learner, data = runs.open_learner("run").eval(), runs.open_data("run")
    data.setup("fit")
    images, _ = data.pool.rows_at(torch.arange(len(data.ids)))
    with torch.no_grad():
        features = learner.features(data.pool.normalise(images, learner.pixels))
        probabilities = learner.head(features).softmax(1)
    files = [tmp_path / "run/predictions.npz", *(tmp_path / f"a{ending}" for ending in (".csv", ".parquet", ".npz"))]
    first = read(files[0])
    for path in files:
        ids, *arrays = read(path)
        assert ids == [*data.ids]
        for array, same, expected in zip(arrays, first[1:], (probabilities, features), strict=True):
            assert array.dtype == np.float32
            assert np.array_equal(array, same)  # nine digits are a float32
            np.testing.assert_allclose(array, expected.numpy(), rtol=1e-4, atol=1e-6)


def test_without_classes_there_are_no_probabilities(tmp_path: Path) -> None:
    rows = Predictions(["train/a,b.png", 'c"d'], torch.rand(2, 3), None)
    assert [*np.load(write_predictions(tmp_path / "a.npz", rows))] == ["ids", "features"]
    table = [*csv.reader(write_predictions(tmp_path / "a.csv", rows).read_text().splitlines())]
    assert table[0] == ["id", "feature_0", "feature_1", "feature_2"]
    assert [row[0] for row in table[1:]] == rows.ids
    assert pq.read_table(write_predictions(tmp_path / "a.parquet", rows)).column_names == ["id", "features"]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("a.txt", r"Expected --to with an ending of \.npz, \.csv, \.parquet, got a\.txt\. Change it\."),
        ("nowhere/a.csv", r"Expected a file in a folder that exists as --to, got nowhere/a\.csv\."),
        ("folder.csv", r"Expected a file as --to, got the folder folder\.csv\. Add a file name\."),
        ("there.csv", r"Expected a new file as --to, got there\.csv, which exists\. .* add --overwrite\."),
    ],
)
def test_where_predictions_are_not_written(
    to: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=message):
        check_predictions_file(Path(to), overwrite=False)
    check_predictions_file(Path("there.csv"), overwrite=True)
