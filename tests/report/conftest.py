"""Four audited models and their page, which several files read."""

import pytest
from audited import CONTEXT, audited

from unlearning_pl.audits import Audit
from unlearning_pl.report import write_report


@pytest.fixture(scope="session")
def audits() -> list[Audit]:
    return audited({"original": 1.0, "retrained": 0.0, "ac": 0.2, "neg_grad": 0.8})


@pytest.fixture(scope="session")
def page(audits: list[Audit], tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(tmp_path_factory.mktemp("page") / "audit", audits, CONTEXT).read_text()
