"""The first screen of the page: the verdict on the unlearned model, which comes first everywhere."""

import html
import re

from page_text import words

from unlearning_pl.audits import Audit
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict, label


def test_the_first_screen_says_what_the_verdict_says(page: str, audits: list[Audit]) -> None:
    answer = html.unescape(page.partition('<section class="answer"')[2].partition("</section>")[0])
    verdict = audits[2].verdict
    assert verdict is not None
    for sentence in (describe_verdict(audits[2]), describe_attack(audits[2]), describe_power(audits[2])):
        assert answer.count(sentence) == 1
    assert f"<dd>{abs(verdict.headline.value):.3f}</dd>" in answer
    assert "{:+.3f} to {:+.3f}".format(*verdict.interval) in answer
    assert f"<dt>floor, of images alone</dt><dd>{verdict.floor:.3f}</dd>" in answer
    assert "Before: the original" in answer
    assert "After: ac" in answer


def test_the_unlearned_model_comes_first(page: str, audits: list[Audit]) -> None:
    head = re.search(r"<thead><tr>(.*?)</tr>", page)
    assert head is not None
    assert re.findall(r'<th scope="col">([^<]+)', head.group(1)) == ["Metric", "ac", "neg_", "original", "retrained"]
    text = words(page)
    assert text.index("ac " + label(audits[2])) < text.index("original " + label(audits[0]))


def test_the_verdict_stands_below_the_heading_result(page: str, audits: list[Audit]) -> None:
    result = page[page.index("<h2>Result<") : page.index(">Comparison<")]
    titles = [title.strip() for title in re.findall(r"<h[23]>([^<]*)", result)]
    assert titles[:3] == ["Result", "ac", "What was asked"]
    lines = re.sub(r"\s*\n\s*", "\n", re.sub(r"<[^>]+>", "\n", re.sub(r"<svg.*?</svg>", "", result, flags=re.DOTALL)))
    said = lines[lines.rindex("\nac\n") :].splitlines()
    assert said[2:4] == [label(audits[2]), html.escape(describe_verdict(audits[2]), quote=False)]
