"""Three figures on the forget images, cheap enough to follow a training: accuracy, membership AUC and loss."""

from unlearning_pl.audits.confidence import population_attack
from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.audits.image_text import pair_scores
from unlearning_pl.audits.membership import membership_scores
from unlearning_pl.audits.probes import (
    accuracies,
    class_probabilities,
    correct_predictions,
    neighbour_accuracies,
    neighbour_hits,
)
from unlearning_pl.audits.representation import mean_losses
from unlearning_pl.functional.roc import membership_auc


def forget_figures(splits: BySplit) -> dict[str, float]:
    """Accuracy, membership AUC and mean loss of the forget images.

    Args:
        splits: The model's embeddings of forget and test; of retain too, for a model without class scores.

    Returns:
        ``accuracy`` in percent: of a classifier its own, else by nearest neighbours
        (:func:`~unlearning_pl.audits.probes.neighbour_hits`), which takes no fit. ``auc`` of forget against test,
        in [0, 1]: of a classifier by its loss, of a model of pairs by the similarity of image and captions, of an
        encoder by the mean similarity of an image's views. ``loss``. Each if it is defined.

    Example:
        >>> forget_figures({})
        {}
    """
    if "forget" not in splits or "test" not in splits:
        return {}
    found = _of_classifier(splits) if splits["forget"].logits is not None else _of_encoder(splits)
    found["loss"] = mean_losses(splits).get("forget_loss")
    return {key: value for key, value in found.items() if value is not None}


def _of_classifier(splits: BySplit) -> dict[str, float | None]:
    probabilities = class_probabilities(splits)
    hits = correct_predictions(splits, probabilities)
    attack, _ = population_attack(splits, probabilities)
    return {"accuracy": accuracies(hits).get("forget_accuracy"), "auc": attack.get("population_auc")}


def _of_encoder(splits: BySplit) -> dict[str, float | None]:
    judged: BySplit = {"forget": splits["forget"], "test": splits["test"]}
    scores = pair_scores(judged) or membership_scores(judged)
    auc = membership_auc(scores["forget"], scores["test"]).item()
    hits = neighbour_hits(splits, judged=("forget",))
    return {"accuracy": neighbour_accuracies(hits).get("forget_knn"), "auc": auc}
