"""What an owner's audit found, for the owner: a short table and plain sentences."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from unlearning_pl.audits import Audit
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED
from unlearning_pl.report.metric_terms import BY_KEY
from unlearning_pl.report.wording import chance
from unlearning_pl.types import Split

_COLUMNS = {
    "AUC": "membership_auc",
    "Found at 1 %": "tpr_at_1_fpr",
    "Alignment": "forget_alignment",
    "Score": "forgetting_score",
}
_CAPTION = (
    "AUC: how well an attacker tells your images from unseen ones; 0.5 = cannot tell. Found at 1 %: your images "
    "that are found while 1 % of the unseen are accused wrongly. Alignment: how alike the model sees two views of an "
    "image of yours. Score: alignment lost since the model before. -: not defined."
)


def owner_table(audits: Sequence[Audit]) -> Table:
    """One row a model; the caption says what the columns are.

    Example:
        >>> owner_table([Audit("after", {"membership_auc": 0.52}, {}, None)]).row_count
        1
    """
    shown = Table(title="Owner's audit", caption=_CAPTION, caption_justify="left", caption_style="dim")
    shown.add_column("Model", overflow="fold", min_width=12)
    for title in _COLUMNS:
        shown.add_column(title, justify="right", no_wrap=True)
    for audit in audits:
        values = {key: audit.metrics.get(key) for key in _COLUMNS.values()}
        cells = ("-" if value is None else BY_KEY[key].text(value) for key, value in values.items())
        shown.add_row(Text(audit.name), *cells)
    return shown


def question(counts: Mapping[Split, int]) -> str:
    """What was to be forgotten, in one sentence, and what it is compared with.

    Example:
        >>> question({"forget": 24})
        '24 images of their owner were to be forgotten. No unseen images were given to compare them with.'
    """
    forget, test = counts["forget"], counts.get("test", 0)
    asked = f"{forget} {'image of its' if forget == 1 else 'images of their'} owner {_were(forget)} to be forgotten."
    if not test:
        return f"{asked} No unseen images were given to compare {'it' if forget == 1 else 'them'} with."
    stand = "stands" if test == 1 else "stand"
    return f"{asked} {test} more of that owner {_were(test)} never given to any model and {stand} for unseen images."


def conclusion(audits: Sequence[Audit]) -> str:
    """What follows from the attack on the model after unlearning, and what does not.

    Two sets of images count as told apart when the AUC differs from that of the retrained reference, else from 0.5, by
    more than chance, see :func:`unlearning_pl.report.wording.chance`.

    Args:
        audits: As :func:`~unlearning_pl.blackbox.owner_audit.audit_images` returns them; the last is the model after.

    Example:
        >>> conclusion([Audit("after", {}, {}, None)])[:33]
        'Without unseen images to compare '
    """
    known = {audit.name: audit for audit in audits}
    after = audits[-1]
    if "membership_auc" not in after.metrics:
        return (
            "Without unseen images to compare with, no attack on membership can be tried: give --unseen, images of the "
            "same kind that no model was given. A forgetting score alone says that the model sees your images "
            "otherwise, not that it forgot them."
        )
    margin = chance(*(len(after.scores[split]) for split in ("forget", "test")))
    distances = {name: _distance(audit, known.get(RETRAINED)) for name, audit in known.items()}
    return _sentence(distances.get(ORIGINAL), distances[after.name], margin)


def _distance(audit: Audit, reference: Audit | None) -> float:
    usual = 0.5 if reference is None else reference.metrics["membership_auc"]
    return audit.metrics["membership_auc"] - usual


def _sentence(before: float | None, after: float, margin: float) -> str:
    if after > margin:
        return (
            "The model after still sees your images as more familiar than unseen ones, by more than chance: evidence "
            "that it remembers some of them."
        )
    if after < -margin:
        return (
            "The model after sees your images as less familiar than unseen ones, by more than chance: it did not just "
            "forget, and whoever looks can tell which images were removed."
        )
    cannot = "By this attack your images cannot be told from unseen ones in the model after"
    if before is not None and abs(before) <= margin:
        return (
            f"{cannot}, but neither could they in the model before: it is no evidence that anything was forgotten. "
            "More images show smaller traces, and so do views like those of the training (--augmentation)."
        )
    since = "" if before is None else ", while in the model before they could"
    return (
        f"{cannot}{since}: that is what a model shows that was never trained on them. It is evidence, not proof: "
        "another attack could see more, and fewer images hide more."
    )


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
