"""The page: what it says, and what it must not contain."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from audited import CONTEXT
from page_text import Balanced, words

from unlearning_pl.audits import Audit, compare, compute_audit
from unlearning_pl.errors import InputError
from unlearning_pl.report import write_report


def test_page_is_whole_and_stands_alone(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"url\((?!#)|@import", page)
    assert len(page) < 3_000_000
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_page_says_what_was_asked_and_found(page: str, audits: list[Audit]) -> None:
    text = words(page)
    for said in (CONTEXT["fingerprint"], "retain: 60; forget: 24", "2 CPU cores", "torch 2.13.0", "original: 0; ac: 3"):
        assert said in text
    assert "all of class cat &amp; dog, &lt;i&gt;odd&lt;/i&gt;" in text
    assert "ac : AlignmentCalibration (alpha: 1.0; optimizer: SGD; lr: 0.1; epochs: 3)" in text
    low, high = audits[2].intervals["membership_auc"]
    assert f"{low:.3f} to {high:.3f}" in text
    assert f"{audits[2].metrics['encoder_mi']:.1f} %" in text
    assert f"{30 / audits[2].metrics['seconds']:.1f} times faster than retraining" in text
    assert all(letters in text for letters in ("RA", "TA", "UA", "EMIA", "CMIA"))
    assert page.count('<p class="soft">Before: the original') == 3  # every model but the original itself


def test_sections_come_in_order(page: str) -> None:
    titles = [title.strip() for title in re.findall(r"<h2>([^<]*)", page)]
    assert titles == [
        "Result",
        "What was asked",
        "Other models",
        "What this does not show",
        "Comparison",
        "Membership scores before and after",
        "What an attacker finds at each false positive rate",
        "Alignment of the forget images",
        "Map of the embedding space",
        "Accuracy per class",
        "Confidence and loss",
        "What training on retain images brings back",
        "Words and definitions",
        "Request and data",
        "Models and settings",
        "Environment",
        "How to repeat it",
    ]


def test_figures_are_described(page: str) -> None:
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    # The first screen's; of four models: scores, one panel of curves, three maps for each but the original, spaces, two
    # histograms, three curves of relearning
    assert len(labels) == page.count("<svg") == 1 + 4 + 1 + 3 * 3 + 4 + 2 * 4 + 3
    for words_ in ("Histogram of the membership score of ac.", "ROC curves", "Histogram of the loss of neg_grad."):
        assert any(label.startswith(words_) for label in labels)


def test_many_models_are_folded_and_have_a_curve_each(tmp_path: Path, audits: list[Audit]) -> None:
    original, retrained, *others = (replace(audit, alignment=torch.zeros(0, 0), map={}) for audit in audits)
    five = [replace(others[0], name=f"model{row}") for row in range(5)]
    page = write_report(tmp_path, [original, retrained, *five]).read_text()
    assert page.count('<details class="card"><summary><h3>') == 6  # the first is on the first screen
    labels = re.findall(r'aria-label="(ROC curves[^"]+)"', page)
    assert len(labels) == 5
    assert all("original: AUC" in label and "retrained: AUC" in label for label in labels)
    assert page.count('<span class="tag bad">') + page.count('<span class="tag open">') >= 6


def test_a_black_box_shows_what_it_has(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = compute_audit("after", {"forget": replace(make()["forget"], losses=None)})
    told = {"question": "24 of my images.", "conclusion": "They are <gone>.", "models": {"after": "http://127.0.0.1:1"}}
    page = write_report(tmp_path, [replace(audit, class_accuracy={}, map={})], told).read_text()
    text = words(page)
    assert all(said in text for said in ("24 of my images.", "They are &lt;gone&gt;.", "after at http://127.0.0.1:1"))
    assert "Retain accuracy" not in text
    assert "The other training images" not in text
    assert "retrained model:" not in text
    assert "attacker finds" not in text
    assert "Accuracy per class" not in text
    Balanced().feed(page)


def test_limits_are_stated(page: str, tmp_path: Path, audits: list[Audit]) -> None:
    limits = words(page).partition("What this does not show")[2].partition("Comparison")[0]
    for said in (
        "may find what these do not",
        "known attacks",
        "the floor is estimated from the images alone",
        "must not offer both",
    ):
        assert said in limits
    assert "arXiv 2405.20272" in limits
    assert "arXiv 2404.03233" in limits
    without = words(write_report(tmp_path, [audits[0], audits[2]]).read_text())
    assert "the floor" not in without.partition("What this does not show")[2].partition("Comparison")[0]


def test_what_test_images_show_needs_images_of_one_kind(page: str) -> None:
    text = words(page)
    assert "above it the model remembers, if forget and test images are of one kind, and far below it" in text
    assert "If forget and test images are of one kind, a model that never saw the forget images has them" in text


def test_markup_in_names_is_text(tmp_path: Path, make) -> None:  # noqa: ANN001
    name = '<script>alert("x_y")</script>'
    audits = compare([compute_audit("original", make(1.0)), compute_audit(name, make(0.2))], "original")
    page = write_report(tmp_path, audits, {**CONTEXT, "title": name, "settings": {name: {name: name}}}).read_text()
    assert "<script" not in page
    assert "<i>odd" not in page
    assert "&lt;script&gt;" in page
    assert "cat &amp; dog" in page
    Balanced().feed(page)


def test_a_dollar_in_a_name_is_not_mathematics(tmp_path: Path, make) -> None:  # noqa: ANN001
    assert "a$_{$b" in words(write_report(tmp_path, [compute_audit("a$_{$b", make())]).read_text().replace("<wbr>", ""))


def test_what_is_undefined_is_said(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = compute_audit("ac", make(sizes=(60, 1, 0)))
    text = words(write_report(tmp_path, [audit]).read_text())
    assert "not defined" in text
    assert "No retrained model was audited" in text
    assert "nan" not in text.lower()
    assert "Speed-up" not in text


def test_no_audits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one audit or more"):
        write_report(tmp_path, [])


def test_eight_models_with_noisy_maps_stay_small(tmp_path: Path, audits: list[Audit]) -> None:
    names = ["original", "retrained", *"abcdef"]
    points = {"retain": torch.rand(300, 3), "test": torch.rand(100, 3), "forget": torch.rand(200, 3)}
    eight = [replace(audits[0], name=name, alignment=2 * torch.rand(200, 200) - 1, map=points) for name in names]
    assert write_report(tmp_path, eight).stat().st_size < 3_000_000


def test_a_reference_is_not_called_undefined(page: str) -> None:
    card = words(page).partition("retrained the reference")[2].partition("What this does not show")[0]
    assert "mean similarity" in card
    assert "not defined" not in card


def test_one_of_many_is_singular(tmp_path: Path) -> None:
    accuracies = {"test": torch.arange(21.0)}  # of 21 classes 20 are shown
    forget = {"forget": torch.ones(1)}
    odd = Audit("ac", {}, forget, torch.ones(1, 1), class_accuracy=accuracies, map={"forget": torch.rand(1, 3)})
    more = [Audit(f"model{row}", {}, {}, torch.zeros(0, 0), class_accuracy=accuracies) for row in range(6)]
    text = write_report(tmp_path, [odd, *more]).read_text()
    assert "1 other is in report.json" in text
    assert "Figures of 1 model<" in text
    assert "7 models audited" in text
    for said in ("forget: mean 1.000 over 1 image.", "Alignment of 1 forget image,", "t-SNE: 1 forget image."):
        assert said in text
    assert not re.search(r"\b1 (images|models|others)\b", text)
    assert "1 model audited" in words(write_report(tmp_path / "one", [odd]).read_text())
