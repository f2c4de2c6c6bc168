"""The README of an exported model: request, method, verdict and what was not checked."""

import shlex
from collections.abc import Iterator, Mapping
from math import inf, nan
from pathlib import Path
from typing import Any

import torch

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.audits.verdict import Verdict
from unlearning_pl.errors import InputError, printable
from unlearning_pl.export.hub_models import HubModel
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.learners.library_models import Preprocessing
from unlearning_pl.learners.optimizer_settings import OPTIMIZER_KEYS
from unlearning_pl.report import read_report
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training import runs
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml

_REPORT = "audit/report.json"
"""Path of the report in the run folder, or beside it, where ``forget`` has it."""
_NOT_CHECKED = """\
- Unlearning is approximate: the weights are not those of a model that never saw the images, and this card does not
  prove a deletion.
- The audit, where there is one, tries known attacks on the images that were to be forgotten. Another attack, or one
  with more images, may find what these do not.
- Models trained with and without an image (shadow models) were not attacked, unless you did so yourself.
- Models before and after unlearning reveal together more than either: do not publish the model before unlearning.
- Nothing was checked of copies, fine-tuned models and features that descend from the model before unlearning.
- Accuracy on other data, fairness and robustness were not checked.
"""


def model_card(run: str | Path, model: HubModel, preprocessing: Preprocessing) -> str:
    """Markdown of the card: what was forgotten (numbers, no ids), how, how well, and how to load the model.

    Args:
        run: The folder of a finished run.
        model: The files beside the card.
        preprocessing: Size and normalisation of the images.

    Raises:
        InputError: If the run is not finished, or its report is damaged.
    """
    (mean, std), resize = preprocessing.pixels, preprocessing.resize
    lines = [
        f"---\nlibrary_name: {model.library}\npipeline_tag: {model.task}\ntags:\n- machine-unlearning\n---",
        f"# {printable(Path(run).resolve().name)}",
        "## What was forgotten",
        *_request(run),
        "## How",
        *_method(run),
        "## How well",
        *_verdict(Path(run)),
        "## What was not checked",
        _NOT_CHECKED.rstrip(),
        "## Use",
        f"Images in RGB: {resize}; then pixels in [0, 1], minus {_numbers(mean)}, divided by {_numbers(std)}.",
        f"```python\n{model.code}```",
        "## License",
        "Not stated: it follows from the licenses of the images and of the weights that the model was trained from. "
        "Add `license:` to the head of this file before you publish it.",
    ]
    return "\n\n".join(lines) + "\n"


def _request(run: str | Path) -> Iterator[str]:
    split, record = runs.read_split(run), runs.read_record(run)
    counts = split.get("counts") or {}
    forgotten, retained = len(split["forget"]), counts.get("retain")
    total = "" if retained is None else f" of {retained + forgotten}"
    steps = len(split.get("steps") or [])
    if "original" in record:
        more = f" in {pluralize(steps, 'step')}" if steps else ""
        yield f"{forgotten}{total} training images were to be forgotten{more}."
    elif record.get("train_on") == "retain":
        yield f"Nothing: the model was trained without {forgotten}{total} training images."
    else:
        yield "Nothing: the model was trained on all of its training images, and no image was unlearned."


def _method(run: str | Path) -> Iterator[str]:
    record, config = runs.read_record(run), runs.read_config(run)
    keys = ("method", "plugins") if "original" in record else ()
    keys = () if "imported" in record else (*keys, *OPTIMIZER_KEYS)
    settings = {key: config[key] for key in keys if config.get(key)}
    settings |= {key: record[key] for key in ("epochs", "steps", "seed", "seconds") if record.get(key) is not None}
    if "imported" in record:
        yield f"The weights are those of a file, SHA-256 {record['imported']['sha256']}; no step was taken."
    if "original" in record and "method" not in settings:
        settings = {"method": "FineTune", **settings}
    if settings:
        yield "\n".join(f"- {key}: `{_text(value)}`" for key, value in settings.items())


def _verdict(run: Path) -> Iterator[str]:
    """Sentences of the report on this model, in the report's own words."""
    path = _report_file(run)
    if path is None:
        yield "Not audited: no claim is made about how well the images were forgotten."
        return
    report = read_report(path)
    date = str(report["context"].get("date", ""))
    models = [one for one in report["audits"] if one["name"] != ORIGINAL and not is_retrained(one["name"])]
    name = run.resolve().name
    record = next((one for one in models if len(models) == 1 or one["name"] == name), None)
    if record is None or "verdict" not in record:
        yield "Audited without a verdict on this model."
        return
    yield from _sentences(record, path)
    note = (report["context"].get("notes") or {}).get(record["name"])
    if note:
        yield str(note)
    yield f"Audited on {date[:10]}; report.json of that audit has the details."


def _report_file(run: Path) -> Path | None:
    """The report on the run as it is now: in its folder, or beside it if it names the command that made the run."""
    record = runs.read_record(run)
    command = shlex.join(map(str, record["command"]))  # empty from Python
    for folder in (run, run.resolve().parent):
        path = folder / _REPORT
        context = read_report(path)["context"] if path.is_file() else {}
        is_own = folder == run or (command and command in context.get("commands", []))
        if context and is_own and str(context.get("date", "")) >= str(record.get("finished", "")):
            return path
    return None


def _sentences(record: Mapping[str, Any], path: Path) -> list[str]:
    try:
        verdict = _read_verdict(record["verdict"])
        audit = Audit(record["name"], dict(record["metrics"]), {}, torch.zeros(0, 0), verdict=verdict)
        sentences = describe_verdict(audit), describe_attack(audit), describe_power(audit)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # the report may be a stranger's
        raise InputError(f"Expected a verdict in {path}, got a damaged one. Audit again.") from error
    return [sentence for sentence in sentences if sentence]


def _read_verdict(values: Mapping[str, Any]) -> Verdict:
    differences = {
        attack: AucDifference(one["auc"], one["reference"], _number(one["standard_error"]))
        for attack, one in values["differences"].items()
    }
    low, high = map(_number, values["interval"])
    names = ("kind", "reason", "attack", "floor", "level", "margin", "needed", "compared")
    lost = {name: (_number(mean), _number(a), _number(b)) for name, (mean, a, b) in values["lost"].items()}
    return Verdict(
        difference=differences,
        intervals={values["attack"]: (low, high)},
        detectable=inf if values["detectable"] is None else float(values["detectable"]),
        lost=lost,
        **{name: values[name] for name in names},
    )


def _number(value: float | None) -> float:
    """A number of a report, which writes what is not finite as null."""
    return nan if value is None else float(value)


def _text(value: Any) -> str:
    return printable(value if isinstance(value, (str, int, float)) else write_inline_yaml(value))


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
