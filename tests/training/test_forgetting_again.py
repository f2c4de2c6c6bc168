"""Runs that start from a run which has forgotten before: what is fed, kept, refused and reported."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from sklearn.metrics import roc_auc_score
from tiny import allowing, make_data, make_learner, make_trainer

from unlearning_pl.commands.main import main
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.methods import NegGrad
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint, weights_digest
from unlearning_pl.training.weights import load_weights
from unlearning_pl.types import Batch

NOTHING = ForgetRequest()
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
FIT = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {SHORT}"


class Seen(Callback):
    def __init__(self) -> None:
        self.rows: dict[str, set[int]] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Batch, batch_idx: int) -> None:
        for name, sample in batch.items():
            self.rows.setdefault(name, set()).update(sample.index.tolist())


def unlearn(
    original: Path, run: Path, forget: ForgetRequest = NOTHING, own: ForgetRequest = NOTHING, **options: Any
) -> UnlearningData:
    data, ckpt_path = make_data(forget=own), options.pop("ckpt_path", None)
    trainer = make_trainer(run, **{"max_epochs": 1, **options})
    trainer.unlearn(make_learner("SimCLR"), data, str(original), NegGrad(), forget=forget, ckpt_path=ckpt_path)
    return data


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = read_checkpoint(run)["state_dict"]
    return state


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original whose own request was never met, a retrained model, and two steps from the original."""
    folder, own = tmp_path_factory.mktemp("runs"), make_data()
    make_trainer(folder / "original", max_epochs=1).fit(make_learner("SimCLR"), datamodule=own)
    retained = make_data(train_on="retain")
    make_trainer(folder / "retrained", max_epochs=1).fit(make_learner("SimCLR"), datamodule=retained)
    unlearn(folder / "original", folder / "one", ForgetRequest(classes=["3", "5"]))
    unlearn(folder / "one", folder / "two", ForgetRequest(fraction=0.2, seed=1))
    return folder


def manifest(run: Path) -> dict[str, Any]:
    return runs.read_split(run)


def test_an_original_that_met_no_request_has_forgotten_nothing(made: Path) -> None:
    assert len(manifest(made / "original")["forget"]) == 8
    assert manifest(made / "one")["request"] == {"classes": ["3", "5"]}
    assert "steps" not in manifest(made / "one")


def test_steps_compose(made: Path) -> None:
    one, two = manifest(made / "one"), manifest(made / "two")
    first, second = (set(step["forget"]) for step in two["steps"])
    assert first == set(one["forget"])
    assert not first & second
    assert first | second == set(two["forget"])
    assert len(second) == round(0.2 * one["counts"]["retain"])
    assert two["counts"]["retain"] == one["counts"]["retain"] - len(second)
    assert two["validation"] == one["validation"]


def test_the_record_names_every_ancestor(made: Path) -> None:
    original, one = weights_digest(made / "original"), weights_digest(made / "one")
    assert runs.lineage(made / "original") == []
    assert runs.lineage(made / "one") == [original]
    assert runs.lineage(made / "two") == [original, one]
    assert runs.read_record(made / "two")["original_sha256"] == one


def test_a_record_of_before_names_its_parent(made: Path, tmp_path: Path) -> None:
    record = {**runs.read_record(made / "one"), "original_sha256": "abc"}
    del record["lineage"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert runs.lineage(tmp_path) == ["abc"]


def test_what_was_forgotten_before_is_never_fed(made: Path, tmp_path: Path) -> None:
    seen = Seen()
    data = unlearn(made / "two", tmp_path / "three", ForgetRequest(count=3), callbacks=[seen], max_epochs=3)
    assert seen.rows["forget"] == set(data.positions("forget").tolist())
    assert len(seen.rows["forget"]) == 3
    assert seen.rows["retain"] <= set(data.positions("retain").tolist())
    earlier = {data.ids.index(name) for name in manifest(made / "two")["forget"]}
    assert not earlier & (seen.rows["forget"] | seen.rows["retain"])
    assert len(manifest(tmp_path / "three")["steps"]) == 3


def test_a_second_step_resumes_to_the_same_weights(made: Path, tmp_path: Path) -> None:
    forget = ForgetRequest(count=5)
    unlearn(made / "one", tmp_path / "whole", forget, max_epochs=2)
    unlearn(made / "one", tmp_path / "half", forget)
    unlearn(made / "one", tmp_path / "half", forget, max_epochs=2, ckpt_path="last")
    ours, theirs = weights(tmp_path / "half"), weights(tmp_path / "whole")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    with pytest.raises(InputError, match="when resuming, got other ones"):
        unlearn(made / "one", tmp_path / "half", ForgetRequest(count=6), max_epochs=3, ckpt_path="last")


@pytest.mark.parametrize("own", [NOTHING, ForgetRequest(classes=["3", "5"])])
def test_without_a_request_a_run_goes_on_with_its_own_images(own: ForgetRequest, made: Path, tmp_path: Path) -> None:
    data = unlearn(made / "two", tmp_path / "more", own=own)
    assert {**manifest(tmp_path / "more")} == manifest(made / "two")
    assert [data.ids[row] for row in data.positions("forget")] == manifest(made / "two")["steps"][-1]["forget"]
    assert runs.lineage(tmp_path / "more") == [*runs.lineage(made / "two"), weights_digest(made / "two")]


def test_a_retrained_model_forgets_further_images(made: Path, tmp_path: Path) -> None:
    unlearn(made / "retrained", tmp_path / "run", ForgetRequest(count=4))
    first, second = manifest(tmp_path / "run")["steps"]
    assert first["forget"] == manifest(made / "retrained")["forget"]
    assert len(second["forget"]) == 4


def test_a_checkpoint_file_has_no_steps(made: Path, tmp_path: Path) -> None:
    checkpoint = Path(shutil.copy(made / "two/checkpoints/last.ckpt", tmp_path / "model.ckpt"))
    data = unlearn(checkpoint, tmp_path / "run", ForgetRequest(count=5))
    assert data.splits.earlier == ()
    assert data.splits == make_data(forget=ForgetRequest(count=5)).splits
    assert runs.lineage(tmp_path / "run") == [weights_digest(checkpoint)]


def test_a_checkpoint_within_a_run_that_forgot_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Expected the folder of a run that has forgotten before, got its checkpoint"):
        unlearn(made / "two/checkpoints/last.ckpt", tmp_path / "run", ForgetRequest(count=5))
    assert not (tmp_path / "run").exists()


def test_a_run_of_images_forgotten_before_is_refused(made: Path, tmp_path: Path) -> None:
    name = manifest(made / "one")["forget"][0]
    with pytest.raises(InputError, match=f"got '{name}', which has been forgotten before"):
        unlearn(made / "two", tmp_path / "run", ForgetRequest(ids=[name]))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("run", "forget", "own", "message"),
    [
        ("two", ForgetRequest(count=48), NOTHING, "images still retained, got count=48, which means all"),
        ("two", ForgetRequest(classes=["5"]), NOTHING, "which means none"),
        ("two", NOTHING, ForgetRequest(count=3), r"as `forget`, got data.forget = \{'count': 3, 'seed': 0\}"),
        ("retrained", NOTHING, NOTHING, "Expected a further forget request, got none"),
        ("retrained", NOTHING, ForgetRequest(count=8), "never trained on its own 8 forget images"),
    ],
)
def test_a_mistake_gets_one_line_and_writes_nothing(
    run: str, forget: ForgetRequest, own: ForgetRequest, message: str, made: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        unlearn(made / run, tmp_path / "run", forget, own)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_finished_is_no_beginning(made: Path, tmp_path: Path) -> None:
    unlearn(made / "one", tmp_path / "two", ForgetRequest(count=3))
    (tmp_path / "two/run.json").unlink()
    with pytest.raises(InputError, match="Expected a finished run"):
        unlearn(tmp_path / "two", tmp_path / "three", ForgetRequest(count=3))


def test_the_audit_is_of_the_union_and_of_each_step(made: Path) -> None:
    data, learner = make_data(forget=NOTHING), make_learner("SimCLR")
    data.load_split(made / "two/split.json")
    load_weights(learner, made / "two")
    audit = make_trainer(logger=False).audit(learner, data, "two", views=3)
    names = manifest(made / "two")["forget"]
    score_of = dict(zip(names, audit.scores["forget"].tolist(), strict=True))
    test = audit.scores["test"].tolist()
    assert len(audit.steps) == 2
    for step, share in zip(manifest(made / "two")["steps"], audit.steps, strict=True):
        scores = [score_of[name] for name in step["forget"]]
        expected = roc_auc_score([1] * len(scores) + [0] * len(test), scores + test)
        assert share["count"] == len(scores)
        assert share["membership_auc"] == pytest.approx(expected)
    assert audit.metrics["membership_auc"] == pytest.approx(
        roc_auc_score([1] * len(names) + [0] * len(test), list(score_of.values()) + test)
    )


@pytest.mark.usefixtures("_undrawn")
def test_the_commands_of_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path)

    def done(words: str) -> None:
        assert main(allowing(words.split())) == 0

    done(f"{FIT} --run {place}/original")
    done(f"unlearn --original {place}/original --run {place}/one --forget.count 8 {SHORT}")
    done(f"unlearn --original {place}/one --run {place}/two --forget.fraction 0.1 {SHORT}")
    split = f"{place}/two/split.json"
    done(f"{FIT} --run {place}/retrained --data.train_on retain --data.forget.file {split}")
    done(f"unlearn --original {place}/original --run {place}/at_once --forget.file {split} {SHORT}")
    done(f"test --run {place}/two")
    capsys.readouterr()
    models = f"--model {place}/two {place}/at_once --retrained {place}/retrained --views 3"
    done(f"audit {models} --original {place}/original")
    assert "Each step's own share" in capsys.readouterr().out

    report = json.loads((tmp_path / "two/audit/report.json").read_text())
    assert {**report["context"]["counts"], "test": 0} == {"retain": 36, "forget": 12, "validation": 0, "test": 0}
    assert report["context"]["steps"][1] == {"request": {"fraction": 0.1, "seed": 0}, "count": 4}
    for audit in report["audits"]:
        assert set(audit["scores"]["forget"]) == set(manifest(tmp_path / "two")["forget"])
        assert [step["count"] for step in audit["steps"]] == [8, 4]
        assert audit["metrics"]["forget_accuracy"] == pytest.approx(
            sum(step["count"] * step["forget_accuracy"] for step in audit["steps"]) / 12
        )
    done(f"audit --model {place}/two --original {place}/one --views 2")
    done(f"unlearn --config {place}/two/config.yaml --run {place}/again")
    assert manifest(tmp_path / "again") == manifest(tmp_path / "two")


@pytest.mark.usefixtures("_undrawn")
def test_what_is_no_reference_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retrained = f"{FIT} --run {tmp_path}/retrained --data.train_on retain --data.forget.count 8"
    assert main(retrained.split()) == 0
    for run, forget in (("run", 4), ("other", 5)):
        words = f"unlearn --original {tmp_path}/retrained --run {tmp_path}/{run} --forget.count {forget} {SHORT}"
        assert main(allowing(words.split())) == 0
    assert main(allowing(f"audit --model {tmp_path}/run --original {tmp_path}/retrained --views 2".split())) == 0
    assert main(allowing(f"unlearn --original {tmp_path}/run --run {tmp_path}/on {SHORT}".split())) == 0
    capsys.readouterr()
    for role, run in (("retrained", "run"), ("original", "other")):
        assert main(f"audit --model {tmp_path}/on --{role} {tmp_path}/{run} --views 2".split()) == 2
        assert f"as --{role}, got {tmp_path}/{run}, a run of unlearn with retain" in capsys.readouterr().err
