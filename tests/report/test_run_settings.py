"""How a model was made, out of what its run wrote."""

import pytest

from unlearning_pl.report.run_settings import read_run_settings

OPTIMIZER = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0}}


def test_method_and_plugins_are_named_with_their_parameters() -> None:
    found = read_run_settings(
        "coun",
        {
            "model": {"class_path": "unlearning_pl.learners.SimCLR", "init_args": {"temperature": 0.2}},
            "method": {"class_path": "unlearning_pl.methods.FineTune"},
            "plugins": [{"class_path": "unlearning_pl.methods.CoUn", "init_args": {"weight": 0.1, "head": None}}],
            "optimizer": OPTIMIZER,
            "schedule": "cosine",
            "epochs": 3,
            "steps": 93,
            "seed": 0,
        },
    )
    assert found.method == "FineTune + CoUn"
    assert found.parameters == {
        "weight": 0.1,
        "optimizer": "SGD",
        "lr": 0.1,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "epochs": 3,
        "seed": 0,
    }


@pytest.mark.parametrize(("name", "method"), [("original", "training"), ("after", "")])
def test_without_a_method_the_references_are_named_all_the_same(name: str, method: str) -> None:
    assert read_run_settings(name, {}).method == method


def test_an_import_was_trained_elsewhere() -> None:
    assert read_run_settings("original", {"imported": "w.pt"})[1:3] == ("trained elsewhere, weights of w.pt", {})


def test_settings_of_another_form_are_kept() -> None:
    found = read_run_settings("ac", {"method": "by hand", "plugins": "more", "optimizer": 3, "path": "x"})
    assert found.method == "by hand + more"
    assert found.settings["path"] == "x"
