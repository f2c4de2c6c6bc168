"""Names, abbreviations, units and explanations of all metrics, as tables and reports print them."""

from collections.abc import Collection

from unlearning_pl.report.metric_term import Term

_PERCENT, _FRACTION, _POINTS = (" %", 1), ("", 3), ("", 2)
_SECONDS, _FACTOR, _EPOCHS = (" s", 1), ("x", 1), ("", 0)

_DIRECTIONS = (
    (
        "image_to_text",
        "image to text",
        "Images with one of their own captions among the first {}; all other candidates are the test set's.",
    ),
    (
        "text_to_image",
        "text to image",
        "Captions with their image among the first {}; all other candidates are the test set's.",
    ),
)

# fmt: off
GROUPS: tuple[tuple[str, tuple[Term, ...]], ...] = (
    ("Distance to the retrained model", (
        Term("retraining_distance", "Distance to retraining", "", *_FRACTION,
             "The headline: how far the AUC of the strongest attack lies from the mean of the retrained models; the "
             "original chooses the attack.", compared=False, share=True),
        Term("retraining_floor", "The same among retrained models", "", *_FRACTION,
             "What the distance can be at best: that of a retrained model from the others. With one retrained model it "
             "is estimated from the images and misses the part of the training.", compared=False, share=True),
        Term("average_gap", "Average gap", "", *_POINTS,
             "Mean distance to the retrained model over RA, TA, UA, EMIA and CMIA, of image-text pairs over RR, TR, UR "
             "and PMIA, in points; 0 is no difference.", compared=False),
    )),
    ("Accuracy", (
        Term("retain_accuracy", "Retain accuracy", "RA", *_PERCENT,
             "Retain images that are classified correctly: how much utility the model keeps."),
        Term("test_accuracy", "Test accuracy", "TA", *_PERCENT,
             "Images never trained on that are classified correctly."),
        Term("forget_accuracy", "Forget accuracy", "UA", *_PERCENT,
             "Forget images that are classified correctly. MUC calls it UA; CoUn and SalUn call 100 minus it UA."),
        Term("retain_knn", "Retain accuracy, nearest neighbours", "", *_PERCENT,
             "Retain images whose class wins the vote of the 20 most similar other retain images."),
        Term("test_knn", "Test accuracy, nearest neighbours", "", *_PERCENT,
             "Test images whose class wins the vote of the 20 most similar retain images."),
        Term("forget_knn", "Forget accuracy, nearest neighbours", "", *_PERCENT,
             "Forget images whose class wins the vote of the 20 most similar retain images."),
    )),
    ("Membership, by embeddings", (
        Term("encoder_mi", "Forget images taken for unseen", "EMIA", *_PERCENT,
             "EncoderMI by MUC's protocol, a threshold among 500 bins of the score: forget images that the attack "
             "classifies as non-members; lower means that the model remembers more."),
        Term("encoder_mi_bagged", "Forget images taken for unseen, bagged", "", *_PERCENT,
             "EncoderMI with exact thresholds, mean over 200 bootstrap draws: the same as EMIA with less variance."),
        Term("encoder_mi_vector", "Forget images taken for unseen, vector attacker", "", *_PERCENT,
             "The same by a network trained on the sorted similarities of an image's views."),
        Term("encoder_mi_set", "Forget images taken for unseen, set attacker", "", *_PERCENT,
             "The same by a network trained on the set of similarities of an image's views."),
        Term("membership_auc", "Membership AUC, forget against test", "", *_FRACTION,
             "How well an attacker separates forget images from unseen ones: 0.5 not at all, 1 always; below 0.5 "
             "they score as less familiar than images never seen."),
        Term("membership_auc_retain", "Membership AUC, retain against test", "", *_FRACTION,
             "The same for retain images: how much this model reveals of its training data at all."),
        Term("membership_auc_vector", "Membership AUC, vector attacker", "", *_FRACTION,
             "Forget against test, by the score of the vector attacker; 0.5 is chance."),
        Term("membership_auc_set", "Membership AUC, set attacker", "", *_FRACTION,
             "Forget against test, by the score of the set attacker; 0.5 is chance."),
        Term("tpr_at_1_fpr", "Forget images found at 1 % false alarms", "", *_PERCENT,
             "True positive rate at 1 % false positives; 1 % is what guessing finds."),
        Term("tpr_at_0.1_fpr", "Forget images found at 0.1 % false alarms", "", *_PERCENT,
             "True positive rate at 0.1 % false positives; 0.1 % is what guessing finds."),
    )),
    ("Membership, by class probabilities", (
        Term("classifier_mi", "Forget images taken for unseen, by confidence", "CMIA", *_PERCENT,
             "Forget images that a support vector machine on the confidence in the true class classifies as "
             "non-members; lower means that the model remembers more."),
        Term("classifier_mi_correctness", "Forget images taken for unseen, by correctness", "", *_PERCENT,
             "The same attack on whether the image is classified correctly."),
        Term("classifier_mi_entropy", "Forget images taken for unseen, by entropy", "", *_PERCENT,
             "The same attack on the entropy of the probabilities: how undecided the model is."),
        Term("classifier_mi_modified_entropy", "Forget images taken for unseen, by modified entropy", "", *_PERCENT,
             "The same attack on an entropy that takes the true class into account."),
        Term("classifier_mi_probabilities", "Forget images taken for unseen, by all probabilities", "", *_PERCENT,
             "The same attack on the probabilities of all classes."),
        Term("population_auc", "Population attack, AUC", "", *_FRACTION,
             "An image is called a member when its loss is below a quantile of the test images' losses: 0.5 does "
             "not separate forget from test images, below 0.5 forget images have the higher loss."),
        Term("population_tpr_at_1_fpr", "Population attack, found at 1 % false alarms", "", *_PERCENT,
             "Forget images that it finds while 1 % of the test images are accused wrongly."),
        Term("population_tpr_at_0.1_fpr", "Population attack, found at 0.1 % false alarms", "", *_PERCENT,
             "Forget images that it finds while 0.1 % of the test images are accused wrongly."),
    )),
    ("Images and their captions", (
        Term("retain_recall", "Retain pairs found", "RR", *_PERCENT,
             "Mean of the six recalls below over retain pairs: how much utility the model keeps."),
        Term("test_recall", "Test pairs found", "TR", *_PERCENT,
             "Mean of the six recalls below over pairs never seen."),
        Term("forget_recall", "Forget pairs found", "UR", *_PERCENT,
             "Mean of the six recalls below over forget pairs; higher means that the model remembers more."),
        Term("pair_mi", "Forget pairs taken for unseen", "PMIA", *_PERCENT,
             "Forget pairs that a threshold on the similarity of an image and its captions classifies as non-members; "
             "lower means that the model remembers more."),
        Term("pair_membership_auc", "Membership AUC of pairs, forget against test", "", *_FRACTION,
             "How well the similarity of an image and its captions separates forget pairs from unseen ones: 0.5 not at "
             "all, 1 always.", share=True),
        Term("pair_membership_auc_retain", "Membership AUC of pairs, retain against test", "", *_FRACTION,
             "The same for retain pairs: how much this model reveals of its training data at all.", share=True),
        Term("pair_tpr_at_1_fpr", "Forget pairs found at 1 % false alarms", "", *_PERCENT,
             "True positive rate of that similarity at 1 % false positives; 1 % is what guessing finds."),
        Term("pair_tpr_at_0.1_fpr", "Forget pairs found at 0.1 % false alarms", "", *_PERCENT,
             "True positive rate of that similarity at 0.1 % false positives; 0.1 % is what guessing finds."),
        *(
            Term(f"{split}_{direction}_{k}", f"{split.capitalize()}, {heading} recall@{k}", "", *_PERCENT,
                 meaning.format(k))
            for split in ("retain", "test", "forget")
            for direction, heading, meaning in _DIRECTIONS
            for k in (1, 5, 10)
        ),
        Term("retain_zero_shot", "Retain accuracy, zero-shot", "", *_PERCENT,
             "Retain images nearest to the description of their own class."),
        Term("test_zero_shot", "Test accuracy, zero-shot", "", *_PERCENT,
             "Test images nearest to the description of their own class."),
        Term("forget_zero_shot", "Forget accuracy, zero-shot", "", *_PERCENT,
             "Forget images nearest to the description of their own class."),
    )),
    ("Alignment", (
        Term("forget_alignment", "Alignment of forget images", "", *_FRACTION,
             "Cosine similarity of two views of an image, or of an image and its caption; higher is more familiar."),
        Term("forgetting_score", "Forgetting score", "", *_FRACTION,
             "Alignment of forget images lost since the original model; below 0 it has grown."),
    )),
    ("Representation", (
        Term("agreement_retrained", "Same answer as the retrained model", "", *_PERCENT,
             "Forget images that get the same predicted class from the retrained model; 100 % is full agreement."),
        Term("cka_original", "Likeness of features to the original", "", *_FRACTION,
             "Centred kernel alignment of the features of forget images: 1 is the same up to rotation and scale."),
        Term("cka_retrained", "Likeness of features to the retrained model", "", *_FRACTION,
             "The same against the retrained model."),
        Term("drift_original", "Drift of features from the original", "", *_FRACTION,
             "Mean 1 - cosine between the features of a forget image in both models; 0 is no change."),
        Term("drift_retrained", "Drift of features from the retrained model", "", *_FRACTION,
             "The same against the retrained model, after the rotation that aligns the two best."),
        Term("forget_loss", "Loss of forget images", "", *_FRACTION,
             "Mean training loss; lower is more familiar. An encoder's depends on how many images are in a batch, "
             "which the settings of the audit name: compare models, not sets."),
        Term("test_loss", "Loss of test images", "", *_FRACTION, "Mean training loss of images never seen."),
        Term("retain_loss", "Loss of retain images", "", *_FRACTION, "Mean training loss of retain images."),
        Term("forget_loss_change", "Change of the loss of forget images", "", *_FRACTION,
             "Loss minus that of the original: above 0 forget images have become less familiar."),
        Term("test_loss_change", "Change of the loss of test images", "", *_FRACTION,
             "Loss minus that of the original: above 0 the model has become worse on images never seen."),
        Term("relearning_epochs", "Epochs to relearn", "", *_EPOCHS,
             "Epochs of training on the forget images until their loss is back to the original's; few mean that they "
             "were only hidden; not defined where it is not back within the audit's limit."),
    )),
    ("What training on retain images brings back", (
        Term("retain_relearning_accuracy", "Forget accuracy after relearning", "", *_PERCENT,
             "Forget images that are classified correctly, an encoder's by nearest neighbours, after some epochs of "
             "training on retain images alone; the retrained model shows what was learned without them."),
        Term("retain_relearning_accuracy_change", "Forget accuracy brought back", "", *_POINTS,
             "The same minus the value before, in points; more than the retrained model's means that forget images "
             "were only hidden."),
        Term("retain_relearning_auc", "Membership AUC after relearning", "", *_FRACTION,
             "How well an attacker separates forget images from unseen ones after this training; 0.5 is chance.",
             share=True),
        Term("retain_relearning_auc_change", "Membership AUC brought back", "", *_FRACTION,
             "The same minus the value before; more than the retrained model's means that forget images were only "
             "hidden."),
    )),
    ("Membership, by gradients", (
        Term("gradient_auc", "Membership AUC, gradient norms", "", *_FRACTION,
             "An attacker with the weights calls an image a member when the gradient of its loss is small: 0.5 does "
             "not separate forget from test images, 1 always.", share=True),
    )),
    ("Cost", (
        Term("seconds", "Time", "", *_SECONDS, "Wall-clock seconds of training or unlearning.", compared=False),
        Term("speed_up", "Speed-up over retraining", "", *_FACTOR,
             "Seconds of retraining divided by seconds of this model; above 1 it was faster.", compared=False),
    )),
)
# fmt: on
"""All metrics in groups, in the order of the report."""

TERMS = tuple(term for _, terms in GROUPS for term in terms)
"""All metrics, in the order of the report."""

BY_KEY = {term.key: term for term in TERMS}
"""The same by key."""

_COMMON_COLUMNS = (("Gap", "average_gap"), ("Seconds", "seconds"), ("Speed-up", "speed_up"))

_HEADLINE = (("Distance", "retraining_distance"), ("Floor", "retraining_floor"))

COLUMNS = (
    *_HEADLINE,
    ("RA %", "retain_accuracy"),
    ("TA %", "test_accuracy"),
    ("UA %", "forget_accuracy"),
    ("EMIA %", "encoder_mi"),
    ("CMIA %", "classifier_mi"),
    ("AUC", "membership_auc"),
    *_COMMON_COLUMNS,
)
"""Heading and key of the metrics of a table with one row per model."""

PAIR_COLUMNS = (
    *_HEADLINE,
    ("RR %", "retain_recall"),
    ("TR %", "test_recall"),
    ("UR %", "forget_recall"),
    ("PMIA %", "pair_mi"),
    ("AUC", "pair_membership_auc"),
    *_COMMON_COLUMNS,
)
"""The same for models of image-text pairs."""

PAIR_KEY = "retain_recall"
"""Key of a metric that only models of image-text pairs have."""


def columns(known: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Heading and key of the columns of such a table, given the keys of the metrics that its models have.

    Example:
        >>> [columns(known)[2] for known in (["seconds"], ["retain_recall", "seconds"])]
        [('RA %', 'retain_accuracy'), ('RR %', 'retain_recall')]
    """
    return PAIR_COLUMNS if PAIR_KEY in known else COLUMNS


def attack_key(known: Collection[str]) -> str:
    """Key of the membership AUC that decides the verdict: that of pairs if the model has it, else that of views.

    Example:
        >>> attack_key(["membership_auc"]), attack_key(["membership_auc", "pair_membership_auc"])
        ('membership_auc', 'pair_membership_auc')
    """
    return "pair_membership_auc" if "pair_membership_auc" in known else "membership_auc"


MAIN = frozenset(key for _, key in (*COLUMNS, *PAIR_COLUMNS)) | {
    "encoder_mi_bagged",
    "population_auc",
    "forget_alignment",
}
"""Keys of the metrics that a report shows first; it folds the others."""
