"""What is printed has the figures where they belong, and says when there is none."""

from typing import Any

from rich.console import Console

from unlearning_pl.shadow import sentence, table


def finding(attack: str, target: str, against: str, auc: float, **metrics: float) -> dict[str, Any]:
    found = {"auc": auc, "mean": 0.25, "mean_unseen": 0.0, **metrics}
    return {
        "attack": attack,
        "target": target,
        "against": against,
        "metrics": found,
        "interval": [auc - 0.1, auc + 0.1],
    }


def result(*attacks: dict[str, Any], pooled: bool = True) -> dict[str, Any]:
    klom = {name: {"mean": mean} for name, mean in (("model", 1.23), ("model_chance", 0.5))}
    counts, settings = {"shadows": 8, "images": 60}, {"pooled_variance": pooled}
    return {"attacks": [*attacks], "klom": klom, "counts": counts, "settings": settings}


ROWS = (
    finding("LiRA", "original", "retrained", 0.87),
    finding("LiRA", "original", "shadow models", 0.81, tpr_at_1_fpr=12.5, **{"tpr_at_0.1_fpr": 2.5}),
    finding("U-LiRA", "model", "retrained", 0.61),
    finding("U-LiRA", "retrained", "shadow models", 0.52),
)


def test_each_row_has_its_figures_within_100_columns() -> None:
    with (console := Console(width=100)).capture() as capture:
        console.print(table(result(*ROWS)))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 100
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert cells[0] == ["LiRA", "original, against retrained", "0.870", "0.770-0.970", "-", "-", "0.25"]
    assert cells[1][1:] == ["shadow originals, in turn", "0.810", "0.710-0.910", "12.5", "2.5", "0.25"]
    assert cells[3][1] == "retrained, as a control"
    assert cells[4] == ["KLOM", "model", "-", "-", "-", "-", "1.23"]
    assert cells[5] == ["KLOM", "chance for model", "-", "-", "-", "-", "0.50"]


def test_the_sentence_compares_before_and_after() -> None:
    told = sentence(result(*ROWS, finding("U-LiRA", "model", "shadow models", 0.55)))
    assert "8 shadow models tells the 60 images from unseen ones with an AUC of 0.87 before unlearning and 0.61" in told
    assert "0.81 before unlearning and 0.55 after it, judged by the shadow models in turn. 0.5 is chance." in told
    assert told.endswith("variances are pooled over all images.")
    assert sentence(result(ROWS[0], ROWS[2], pooled=False)).endswith("judged by the retrained model. 0.5 is chance.")


def test_one_image_is_singular() -> None:
    alone = {**result(ROWS[0], ROWS[2]), "counts": {"shadows": 8, "images": 1}}
    assert "the 1 image from unseen ones" in sentence(alone)
