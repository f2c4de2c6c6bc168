"""Which shadow model sees what, and by which commands."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.shadow.shadow_plan import assign_halves, plan
from unlearning_pl.shadow.shadow_plan import seeds as seeds_of
from unlearning_pl.training import runs

images = st.integers(2, 40)
pairs = st.integers(1, 12)
seeds = st.integers(0, 2**31)


@given(images, pairs, seeds)
def test_every_image_is_seen_by_half_of_the_models_and_every_model_sees_half_of_the_images(
    images: int, pairs: int, seed: int
) -> None:
    seen = assign_halves(images, 2 * pairs, seed)
    assert seen.sum(0).tolist() == [pairs] * images
    assert torch.equal(seen[::2], ~seen[1::2])
    assert all(count in (images // 2, images - images // 2) for count in seen.sum(1).tolist())


@given(images, pairs, pairs, seeds)
def test_more_models_change_nothing_for_those_that_are_there(images: int, some: int, more: int, seed: int) -> None:
    few, many = sorted((2 * some, 2 * more))
    assert torch.equal(assign_halves(images, many, seed)[:few], assign_halves(images, few, seed))


def test_halves_are_drawn_evenly_and_differ_by_seed_and_pair() -> None:
    seen = assign_halves(6, 2000, seed=3)[::2].double()
    together = (seen.T @ seen) / len(seen)  # of 6 images 3 are seen: two given ones together in 1 of 5 draws
    expected = torch.full((6, 6), 0.2, dtype=torch.float64).fill_diagonal_(0.5)
    assert (together - expected).abs().max() < 0.06
    assert not torch.equal(assign_halves(30, 2, seed=0), assign_halves(30, 2, seed=1))


def test_a_shadow_model_is_asked_for_by_the_settings_of_the_runs(tmp_path: Path) -> None:
    ids = ["a b", "c", "d"]
    for name, forget in (("original", "--data.forget.count"), ("model", "--data.forget.fraction")):
        config = configuration(
            ["fit", "--model", "SimCLR", "--trainer.max_epochs", "7", forget, "0.5"[: 3 * (name == "model")] or "5"]
        )
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(json.dumps({**config, "data": config["data"]}))
    shadows, seen = plan(ids, 4, tmp_path / "shadows", seed=5)
    shadows[1].write_requests()
    words = shadows[1].train(str(tmp_path / "original")).words
    found = configuration(words)
    asked = {key: value for key, value in found["data"]["forget"].items() if value is not None and key != "seed"}
    assert list(asked) == ["file"]
    assert json.loads(Path(asked["file"]).read_text()) == [
        name for name, kept in zip(ids, seen[1], strict=True) if not kept
    ]
    assert found["data"]["train_on"] == "retain"
    assert found["trainer"]["max_epochs"] == 7
    assert found["seed_everything"] == 7
    assert shadows[1].seen == shadows[0].unseen
    assert shadows[1].unlearn(str(tmp_path / "model")).run == tmp_path / "shadows/1/unlearned"


@given(pairs, pairs, st.integers(0, 20), st.sets(st.integers(0, 30), max_size=3))
def test_no_shadow_model_has_the_seed_of_a_run_in_question(some: int, more: int, seed: int, taken: set[int]) -> None:
    few, many = sorted((2 * some, 2 * more))
    drawn = seeds_of(many, seed, taken)
    assert drawn[:few] == seeds_of(few, seed, taken)
    assert len(set(drawn)) == many
    assert not taken & set(drawn)
    assert seed < min(drawn) <= max(drawn) <= seed + many + len(taken)
    shadows, _ = plan(["a", "b"], many, Path("shadows"), seed, taken)
    assert [shadow.seed for shadow in shadows] == drawn


@pytest.mark.parametrize("key", ["fingerprint", "validation", "forget"])
def test_a_run_of_other_images_under_the_same_ids_is_not_kept(key: str, tmp_path: Path) -> None:
    (shadow, _), _ = plan(["a", "b"], 2, tmp_path / "shadows")
    stage = shadow.train(str(tmp_path / "original"))
    split = {"fingerprint": "0", "validation": ["v"], "forget": []}
    own = split | {"forget": shadow.unseen}
    for run, written in ((tmp_path / "original", split), (stage.run, own)):
        run.mkdir(parents=True)
        (run / runs.MANIFEST).write_text(json.dumps(written))
    assert stage.has_same_request()
    (stage.run / runs.MANIFEST).write_text(json.dumps(own | {key: ["w"]}))
    assert not stage.has_same_request()
