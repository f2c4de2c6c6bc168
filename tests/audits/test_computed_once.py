"""What several metrics or models share is computed once."""

from typing import Any

import pytest
import torch
from audits.test_image_text import pairs
from functional.scores import normal

from unlearning_pl.audits import Audit, compare, compare_models, compute_audit, image_text, judge_model, verdict
from unlearning_pl.audits.membership import roc_intervals
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.functional import counted_resamples

NAMES = ["original", "retrained", "retrained_2", "ac", "fine_tune"]


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[tuple[Any, ...]]:
    """Arguments of each call of a function, which does what it did."""
    calls, function = list[tuple[Any, ...]](), getattr(owner, name)

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return function(*args, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_the_headline_is_chosen_once_and_scores_are_sorted_once_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [count_calls(monkeypatch, module, "headline_attack") for module in (compare_models, judge_model)]
    sorted_scores = count_calls(monkeypatch, verdict, "auc_components")
    audits = []
    for seed, name in enumerate(NAMES):
        scores = {attack: (normal(40, seed % 2, seed), normal(90, seed=9 * seed)) for attack in ("mean", "set")}
        audits.append(Audit(name, {}, {}, torch.zeros(0, 0), evidence=Evidence(scores)))
    compared = compare(audits, original="original", retrained=NAMES[1:3])
    assert [len(calls) for calls in chosen] == [1, 0]
    assert len(sorted_scores) == 2 * len(NAMES)
    assert [audit.verdict is None for audit in compared] == [False, True, True, False, False]


def test_all_intervals_of_an_attack_are_those_of_one_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = count_calls(monkeypatch, counted_resamples, "bootstrap_resamples")
    assert len(roc_intervals(normal(60, mean=3.0), normal(1000, seed=1))) == 3
    assert len(drawn) == 1


def test_captions_are_ranked_once_for_each_split_and_once_for_the_utility(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = count_calls(monkeypatch, image_text, "image_to_text_ranks")
    assert "test_recall" in compute_audit("a", pairs(0.3)).evidence.utility
    assert len(ranked) == 4
