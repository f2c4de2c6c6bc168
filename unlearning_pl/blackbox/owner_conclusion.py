"""Results of an owner's audit, for the owner: a short table and plain sentences."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from unlearning_pl.audits import Audit
from unlearning_pl.audits.embeddings import ORIGINAL
from unlearning_pl.errors import printable
from unlearning_pl.report.first_screen import unlearned_first
from unlearning_pl.report.metric_terms import BY_KEY
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict
from unlearning_pl.types import Split

_COLUMNS = {
    "AUC": "membership_auc",
    "Found at 1 %": "tpr_at_1_fpr",
    "Alignment": "forget_alignment",
    "Score": "forgetting_score",
}
_CAPTION = (
    "AUC: how well an attacker tells your images from unseen ones; 0.5 = cannot tell. Found at 1 %: your images "
    "that are found while 1 % of the unseen are accused wrongly. Alignment: mean similarity of two views of an "
    "image of yours. Score: alignment lost since the model before unlearning. -: not defined."
)


def owner_table(audits: Sequence[Audit]) -> Table:
    """Build a table with one row per model, the model after unlearning first; the caption explains the columns.

    Example:
        >>> owner_table([Audit("after", {"membership_auc": 0.52}, {}, None)]).row_count
        1
    """
    rich_table = Table(title="Owner's audit", caption=_CAPTION, caption_justify="left", caption_style="dim")
    rich_table.add_column("Model", overflow="fold", min_width=12)
    for title in _COLUMNS:
        rich_table.add_column(title, justify="right", no_wrap=True)
    for audit in unlearned_first(audits):
        values = {key: audit.metrics.get(key) for key in _COLUMNS.values()}
        cells = ("-" if value is None else BY_KEY[key].text(value) for key, value in values.items())
        rich_table.add_row(Text(printable(audit.name)), *cells)
    return rich_table


def question(counts: Mapping[Split, int]) -> str:
    """Describe the images to forget and the unseen images in one or two sentences.

    Example:
        >>> question({"forget": 24})
        '24 images of their owner were to be forgotten. No unseen images were given to compare them with.'
    """
    forget, test = counts["forget"], counts.get("test", 0)
    request = f"{forget} {'image of its' if forget == 1 else 'images of their'} owner {_were(forget)} to be forgotten."
    if not test:
        return f"{request} No unseen images were given to compare {'it' if forget == 1 else 'them'} with."
    verb = "stands" if test == 1 else "stand"
    return f"{request} {test} more of that owner {_were(test)} never given to any model and {verb} for unseen images."


def conclusion(audits: Sequence[Audit]) -> str:
    """State what follows from the attack on the model after unlearning, and what does not.

    Args:
        audits: As :func:`~unlearning_pl.blackbox.owner_audit.audit_images` returns them; the last is the model after
            unlearning.

    Example:
        >>> conclusion([Audit("after", {}, {}, None)])[:33]
        'Without unseen images to compare '
    """
    after = audits[-1]
    verdict = [] if after.verdict is None else [describe_verdict(after), describe_attack(after), describe_power(after)]
    sentences = [*verdict, remarks(audits)]
    return " ".join(sentence for sentence in sentences if sentence)


def remarks(audits: Sequence[Audit]) -> str:
    """What an owner may do or compare, beside the verdict that the page has in any case.

    Args:
        audits: As for :func:`conclusion`.

    Example:
        >>> remarks([Audit("after", {}, {}, None)])[:33]
        'Without unseen images to compare '
    """
    after = audits[-1]
    if after.verdict is None:
        return (
            "Without unseen images to compare with, no membership attack is possible: give --unseen, images of the "
            "same kind that no model was trained on. A forgetting score alone shows that the model embeds your images "
            "differently, not that it forgot them."
        )
    sentences = []
    before = next((audit.verdict for audit in audits if audit.name == ORIGINAL), None)
    if before is not None and before.kind == "remembers" and after.verdict.kind == "cannot tell":
        sentences.append("In the model before unlearning this attack found your images.")
    if after.verdict.kind == "cannot tell":
        sentences.append(
            "More images reveal smaller traces, and so do views like those of the training (--augmentation)."
        )
    return " ".join(sentences)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
