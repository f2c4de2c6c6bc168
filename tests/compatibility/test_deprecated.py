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
from lightning.pytorch import LightningModule
from tiny import make_data, make_learner, make_rows

import unlearning_pl
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.data import UnlearningData
from unlearning_pl.deprecated.names import ATTRIBUTES, KEYS, MODULES, NAMES, PACKAGES
from unlearning_pl.deprecated.old_attributes import supply_renamed
from unlearning_pl.deprecated.old_settings import upgrade_class_paths, upgrade_options, upgrade_settings
from unlearning_pl.distributed import collectives
from unlearning_pl.errors import InputError
from unlearning_pl.functional import contrastive_losses
from unlearning_pl.learners import Learner, MomentumEncoder, SimCLR, mean_loss
from unlearning_pl.methods import CoUn, FineTune, PlugIn, Unlearner
from unlearning_pl.methods.weight_gradients import trainable_parameters

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


@pytest.mark.parametrize(("package", "name"), [(old, name) for old, (_, names) in PACKAGES.items() for name in names])
def test_what_became_a_package_still_has_its_names(package: str, name: str) -> None:
    module = importlib.import_module(f"unlearning_pl.{package}")
    with pytest.warns(FutureWarning, match=rf"{package}\.{name} is deprecated and was renamed to .*\.{name};"):
        assert getattr(module, name).__name__ == name
    assert not hasattr(module, "torch")


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("old", NAMES)
def test_each_function_is_found_in_the_module_that_had_it(old: str) -> None:
    homes = [importlib.import_module(f"unlearning_pl.{name}") for name in (*MODULES, "audits", "learners")]
    found = [getattr(home, old) for home in homes if hasattr(home, old)]
    assert found
    assert all(getattr(one, "__name__", NAMES[old]) == NAMES[old] for one in found)


def test_packages_have_no_other_names_than_before() -> None:
    learners = importlib.import_module("unlearning_pl.learners")
    assert not any(hasattr(learners, name) for name in ("Trainer", "NonFiniteGuard", "override"))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_contrastive_losses_of_then_gather_the_rows_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In version 0.1 they did so by themselves; now the caller says how."""
    old = importlib.import_module("unlearning_pl.functional.contrast")
    nt_xent, queue_nce = old.nt_xent, old.queue_nce
    first, second = torch.randn(2, 4, 8)
    monkeypatch.setattr(collectives, "gather", lambda rows: torch.cat([rows, rows]))
    assert not torch.equal(nt_xent(first, second, 0.5), contrastive_losses.nt_xent(first, second, 0.5))
    assert queue_nce is contrastive_losses.queue_nce


def test_each_attribute_of_today_exists() -> None:
    known = {*dir(PlugIn), *PlugIn.__annotations__, *dir(UnlearningData), *dir(MomentumEncoder), *dir(SimCLR)}
    assert {*ATTRIBUTES.values()} <= known | {*Learner.__annotations__}


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

    learner = Theirs("resnet9_slim")
    assert learner.corrupt_targets("as it is") == "as it is"
    assert not learner.borrows_targets  # no method calls it with two arguments


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_an_override_may_call_what_it_overrides() -> None:
    class Theirs(SimCLR):
        def scramble(self, sample: Any) -> Any:
            return super().scramble(sample)

    class Further(Theirs):
        def scramble(self, sample: Any) -> Any:
            return super().scramble(sample)

    learner, rows = Further("resnet9_slim"), make_rows(4)
    torch.manual_seed(0)
    expected = SimCLR.corrupt_targets(learner, rows)
    for call in (learner.corrupt_targets, learner.scramble):
        torch.manual_seed(0)
        assert all(map(torch.equal, call(rows).views, expected.views))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_attributes_may_be_set_on_an_instance() -> None:
    class Theirs(Unlearner):
        def __init__(self) -> None:
            self.shards, self.calls = False, ("logits",)

    method = Theirs()
    assert (method.supports_fsdp, method.required_methods) == (False, ("logits",))
    assert (method.shards, Theirs.shards, Unlearner.supports_fsdp) == (False, True, True)
    learner = make_learner("Classifier")
    learner.shards = False
    assert learner.supports_fsdp is False


def test_a_method_of_ones_own_may_clean_up_under_the_old_name() -> None:
    left = []
    with pytest.warns(FutureWarning, match=r"Theirs._leave is deprecated and was renamed to uninstall;"):

        class Theirs(FineTune):
            def _leave(self, trainer: Any, pl_module: Any) -> None:
                left.append(pl_module)

    Theirs().teardown(None, "the learner", "fit")  # type: ignore[arg-type]
    assert left == ["the learner"]


def test_the_error_of_a_property_is_not_hidden() -> None:
    class Theirs(SimCLR):
        @property
        def broken(self) -> int:
            return self.backbone.no_such_layer

    with pytest.raises(AttributeError, match=r"no_such_layer|broken"):
        _ = Theirs("resnet9_slim").broken


def test_a_module_of_ones_own_lends_what_it_has_under_old_names() -> None:
    class Theirs(LightningModule):
        num_views, feature_dim = 1, 128

        def __init__(self) -> None:
            super().__init__()
            self.scaffold = torch.nn.ModuleDict()

        outputs = losses = features = objective = scramble = lambda self, *_: None

    module = Theirs()
    with pytest.warns(FutureWarning, match=r"Theirs.(scaffold|scramble) is deprecated and was renamed to "):
        supply_renamed(module)
    CoUn(projection_dim=16).prepare(module, make_data())  # type: ignore[arg-type]
    assert len(module.scaffold) == 1
    assert all(name.startswith("scaffold.") for name in module.state_dict())
    assert trainable_parameters(module) == {}  # type: ignore[arg-type]
    assert module.corrupt_targets is not None


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


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("words", "now"),
    [
        ("--method.init_args.of loss", "--method.init_args.score loss"),
        ("--method GradientPenalty --method.at=views", "--method GradientPenalty --method.wrt=views"),
        ("--method unlearning_pl.methods.GradientPenalty --method.at x", None),
        ("--data.source.init_args.source.hold disk", "--data.source.init_args.source.storage disk"),
        ("--method my.GradientPenalty --method.at 3 --data.btch 8", "same"),
        ("--method SalUn --method.of 3", "same"),
        ("--data.source my_package.Folder --data.source.hold 3", "same"),
    ],
)
def test_options_are_renamed_for_the_class_that_is_chosen(words: str, now: str | None) -> None:
    expected = words.replace(".at ", ".wrt ") if now is None else words if now == "same" else now
    assert upgrade_options(words.split()) == expected.split()


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_settings_may_be_a_value_of_an_option() -> None:
    value = json.dumps(SOURCE)
    for words in (["--data.source", value], [f"--data.source={value}"]):
        found = configuration(["fit", "--model", "SimCLR", *words])["data"]["source"]
        assert found == {"class_path": "unlearning_pl.data.sources.folder.Folder", "init_args": NOW}


def test_one_process_of_a_job_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert upgrade_options(["--method.of", "loss"]) == ["--method.score", "loss"]  # warnings are errors here


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
