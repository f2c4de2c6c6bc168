"""Names of version 0.1 work, and each use warns with the name of today."""

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import make_data, make_learner

import unlearning_pl
from unlearning_pl import deprecated
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import UnlearningData
from unlearning_pl.deprecated import ATTRIBUTES, KEYS, MODULES, NAMES, PACKAGES
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner, SimCLR, mean_loss
from unlearning_pl.methods import PlugIn, Unlearner
from unlearning_pl.training.upgrade_settings import upgrade_class_paths, upgrade_options, upgrade_settings

CLASSES = {name: getattr(importlib.import_module(f"unlearning_pl.{home}"), name) for home, name in (
    ("methods", "GradientPenalty"), *(("data", name) for name in KEYS if name != "GradientPenalty"))}  # fmt: skip


@pytest.mark.parametrize("old", MODULES)
def test_a_module_is_found_under_its_old_name(old: str) -> None:
    sys.modules.pop(f"unlearning_pl.{old}", None)
    with pytest.warns(FutureWarning, match=f"unlearning_pl.{MODULES[old]}; version 0.3 removes the old name"):
        module = importlib.import_module(f"unlearning_pl.{old}")
    new = importlib.import_module(f"unlearning_pl.{MODULES[old]}")
    name = next(name for name in vars(new) if not name.startswith("_"))
    assert getattr(module, name) is getattr(new, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_no_module_of_today_has_an_old_name() -> None:
    today = {module.name for module in pkgutil.walk_packages(unlearning_pl.__path__, "unlearning_pl.")}
    assert not today & {f"unlearning_pl.{old}" for old in MODULES}


@pytest.mark.parametrize(("package", "name"), [("data.sources", "Digits"), ("data.splits", "Splits"), ("cli", "main")])
def test_what_became_a_package_still_has_its_names(package: str, name: str) -> None:
    module = importlib.import_module(f"unlearning_pl.{package}")
    with pytest.warns(
        FutureWarning,
        match=f"{package}.{name} is deprecated and was renamed to unlearning_pl.{PACKAGES[package]}.{name};",
    ):
        assert getattr(module, name).__name__ == name
    assert not hasattr(module, "__no_such__")


@pytest.mark.parametrize("old", NAMES)
def test_each_function_is_found_under_its_old_name(old: str) -> None:
    homes = [
        "audits",
        "distributed.collectives",
        "io",
        "learners",
        "training.last_checkpoint",
        "training.checkpoint_files",
        "types",
    ]
    home = next(home for home in homes if NAMES[old] in dir(importlib.import_module(f"unlearning_pl.{home}")))
    with pytest.warns(FutureWarning, match=rf"\.{old} is deprecated and was renamed to unlearning_pl\..*{NAMES[old]};"):
        found = deprecated.renamed(f"unlearning_pl.{home}")(old)
    assert found is getattr(importlib.import_module(f"unlearning_pl.{home}"), NAMES[old])


def test_each_attribute_of_today_exists() -> None:
    known = {*dir(Unlearner), *dir(PlugIn), *PlugIn.__annotations__, *dir(UnlearningData), *dir(make_learner("SimCLR"))}
    assert {*ATTRIBUTES.values()} <= known
    assert not {*ATTRIBUTES} & {*vars(Unlearner), *vars(PlugIn), *vars(Learner), *vars(UnlearningData)}


def test_a_method_of_ones_own_may_be_written_with_old_names() -> None:
    with pytest.warns(FutureWarning) as told:

        class Theirs(Unlearner):
            calls = ("rematch",)
            keeps = ("level",)
            compiles = False

    assert (Theirs.required_methods, Theirs.state_keys, Theirs.supports_compile) == (("rematch",), ("level",), False)
    assert len(told) == 3
    learner = make_learner("SimCLR")
    with pytest.warns(FutureWarning, match=r"SimCLR.scaffold is deprecated and was renamed to auxiliary_modules;"):
        assert learner.scaffold is learner.auxiliary_modules
    with pytest.raises(AttributeError, match="'SimCLR' object has no attribute 'no_such_name'"):
        learner.no_such_name  # noqa: B018


def test_a_learner_of_ones_own_may_be_written_with_old_names() -> None:
    with pytest.warns(FutureWarning, match=r"Theirs.scramble is deprecated and was renamed to corrupt_targets;"):

        class Theirs(SimCLR):
            def scramble(self, sample: Any) -> Any:
                return sample

    assert Theirs("resnet9_slim").corrupt_targets("as it is") == "as it is"


def test_a_module_of_ones_own_lends_what_it_has_under_old_names() -> None:
    module = torch.nn.Module()
    module.scaffold = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 2)})
    before = list(module.state_dict())
    with pytest.warns(FutureWarning, match=r"Module.scaffold is deprecated and was renamed to auxiliary_modules;"):
        deprecated.supply_renamed(module, ["auxiliary_modules"])
    assert module.auxiliary_modules is module.scaffold
    assert list(module.state_dict()) == before


def test_the_data_module_answers_to_old_names() -> None:
    data = make_data()
    with pytest.warns(FutureWarning, match=r"UnlearningData.confirm is deprecated and was renamed to verify_split;"):
        assert data.confirm == data.verify_split


@pytest.mark.parametrize("name", KEYS)
def test_arguments_exist_under_their_names_of_today(name: str) -> None:
    annotations = CLASSES[name].__init__.__annotations__
    assert not {*KEYS[name]} & {*annotations}
    assert {*KEYS[name].values()} <= {*annotations}


SOURCE = {
    "class_path": "unlearning_pl.data.folder.Folder",
    "init_args": {"train": "a", "test": "b", "hold": "stream", "corrupt": "skip"},
}
NOW = {"train": "a", "test": "b", "image_size": None, "on_error": "skip", "storage": "stream"}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("nested", [False, True])
def test_a_configuration_may_have_old_keys(nested: bool, tmp_path: Path) -> None:
    source = (
        {"class_path": "TemplateCaptions", "init_args": {"source": SOURCE, "templates": ["a {}"]}} if nested else SOURCE
    )
    file = tmp_path / "old.yaml"
    file.write_text(
        yaml.safe_dump({"data": {"source": source}, "model": {"class_path": "unlearning_pl.learners.SimCLR"}})
    )
    for words in (["--config", str(file)], [f"--config={file}"]):
        found = configuration(["fit", *words])["data"]["source"]
        found = found["init_args"]["source"] if nested else found
        assert found == {"class_path": "unlearning_pl.data.sources.folder.Folder", "init_args": NOW}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_options_may_be_old() -> None:
    source = "--data.source Folder --data.source.train a --data.source.test b"
    for old in (
        "--data.source.hold stream --data.source.corrupt skip",
        "--data.source.hold=stream --data.source.corrupt=skip",
    ):
        assert configuration(f"fit --model SimCLR {source} {old}".split())["data"]["source"]["init_args"] == NOW
    refuse = configuration(f"fit --model SimCLR {source} --data.source.corrupt refuse".split())
    assert refuse["data"]["source"]["init_args"]["on_error"] == "raise"
    views = configuration(["fit", "--model", "SimCLR", "--data.views", "unlearning_pl.data.views.CropViews"])["data"][
        "views"
    ]
    assert views["class_path"] == "unlearning_pl.data.augment.view_policies.CropViews"


def test_what_is_wrong_besides_is_told_by_the_name_of_today() -> None:
    words = "fit --model SimCLR --data.source Folder --data.source.train a --data.source.test b --data.source.hold disk"
    with pytest.raises(InputError, match=r"as data\.source\.storage, got disk"), pytest.warns(FutureWarning):
        configuration(words.split())


def test_settings_of_a_class_of_ones_own_stay() -> None:
    theirs = {"method": {"class_path": "theirs.GradientPenalty", "init_args": {"of": 2}}}
    assert upgrade_settings(theirs) == theirs
    words = ["unlearn", "--other.of", "2", "--config", json.dumps({"a": 1})]
    assert upgrade_options(words) == words
    assert upgrade_class_paths(["fit", "--model", "my_learners.base.Mine"]) == [
        "fit",
        "--model",
        "my_learners.base.Mine",
    ]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_a_method_of_ones_own_imports_is_found() -> None:
    code = """
from unlearning_pl.learners import Learner, log_term, plain
from unlearning_pl.methods.base import PlugIn, Unlearner
from unlearning_pl.sample import Batch, Sample, Split, joint
from unlearning_pl.trainer import UnlearningTrainer
from unlearning_pl.weights import load_weights, read_checkpoint, weights_path
"""
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["plain"] is mean_loss
    assert names["PlugIn"] is PlugIn
