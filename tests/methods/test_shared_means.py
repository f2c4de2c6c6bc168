import loops
import pytest
import torch
from tiny import make_learner, make_rows

from unlearning_pl.methods.shared_means import shared_mean, success, training_losses


def test_success_is_accuracy_with_classes_and_alignment_without() -> None:
    rows = [make_rows(3), make_rows(4)]
    classifier, encoder = make_learner("Classifier").eval(), make_learner("SimCLR").eval()
    with torch.no_grad():
        hits = [
            s.index(max(s)) == y
            for r in rows
            for s, y in zip(loops.rows(classifier.class_scores(r.views[0])), r.target.tolist(), strict=True)
        ]
        pairs = [
            loops.cosine(a, b)
            for r in rows
            for a, b in zip(*(loops.rows(encoder.embed(view)) for view in r.views), strict=True)
        ]
        assert float(shared_mean(classifier, rows, success)) == pytest.approx(sum(hits) / 7)
        assert float(shared_mean(encoder, rows, success)) == pytest.approx(sum(pairs) / 7, abs=1e-5)


def test_a_mean_is_over_rows_and_not_over_batches() -> None:
    rows, learner = [make_rows(1), make_rows(6)], make_learner("Classifier").eval()
    expected = loops.mean([loss for sample in rows for loss in loops.losses(learner, sample)])
    assert float(shared_mean(learner, rows, training_losses)) == pytest.approx(expected, abs=1e-5)
    assert shared_mean(learner, [], training_losses).isnan()
