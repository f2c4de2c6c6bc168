"""A configuration that is read names classes of the package, or nothing of it is imported."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unlearning_pl import data, learners
from unlearning_pl.data import Source, UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner, SimCLR
from unlearning_pl.training import runs
from unlearning_pl.training.trusted_classes import check_classes, foreign_names

PAYLOAD = """
import os
from collections.abc import Callable
from pathlib import Path
Path('PWNED').touch()
from unlearning_pl.learners import SimCLR
from unlearning_pl.data import Digits
class Net(SimCLR):
    pass
class Images(Digits):
    pass
class WithCallable(SimCLR):
    def __init__(self, activation=None, *, act: Callable | None = None, **kwargs):
        super().__init__('resnet9_slim')
"""
MODEL = {"class_path": "unlearning_pl.learners.SimCLR", "init_args": {"backbone": "resnet9_slim"}}
DIGITS = {"class_path": "unlearning_pl.data.Digits", "init_args": {"train_size": 48, "image_size": 8}}
EVIL = "payload.Images"


@pytest.fixture(autouse=True)
def _payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module in the working directory, which is on sys.path, as with python -m; nothing may import it."""
    (tmp_path / "payload.py").write_text(PAYLOAD)
    (tmp_path / "payload.yaml").write_text(yaml.safe_dump({"class_path": EVIL}))
    (tmp_path / "words").write_text(yaml.safe_dump({"class_path": EVIL}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("payload", None)


def written(model: Any = MODEL, source: Any = DIGITS, **options: Any) -> Path:
    config = {"model": model, "data": {"source": source, **options}}
    Path("run").mkdir(exist_ok=True)
    Path("run/config.yaml").write_text(yaml.safe_dump(config))
    return Path("run")


def captioned(source: Any, **arguments: Any) -> dict[str, Any]:
    return {"class_path": "unlearning_pl.data.TemplateCaptions", "init_args": {"source": source, **arguments}}


def test_what_this_package_writes_is_read() -> None:
    views = {"class_path": "unlearning_pl.data.CropViews"}
    run = written(source=captioned(captioned(DIGITS), templates=["payload.Net {}"]), views=views, forget={"count": 3})
    opened: UnlearningData = runs.instantiate_from_run(run, "data")
    assert type(opened.source) is data.TemplateCaptions
    assert opened.source.templates == ("payload.Net {}",)  # a text stays a text
    assert type(runs.instantiate_from_run(run, "model")) is SimCLR
    assert type(runs.instantiate_from_run(run, "source")) is data.TemplateCaptions
    parquet = {
        "class_path": "unlearning_pl.data.Parquet",
        "init_args": {"train": "payload.Net", "test": "payload.yaml"},
    }
    assert runs.instantiate_from_run(written(source=parquet), "source").train == "payload.Net"


@pytest.mark.parametrize("module", [data, learners])
def test_every_class_is_read_by_its_public_and_by_its_own_path(module: Any) -> None:
    for name in module.__all__:
        kind = getattr(module, name)
        if isinstance(kind, type) and issubclass(kind, (Learner, Source)):
            for path in (f"{module.__name__}.{name}", f"{kind.__module__}.{name}", name):
                base = Learner if issubclass(kind, Learner) else Source
                assert [*foreign_names({"class_path": path, "init_args": {}}, base)] == []


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "model": lambda name: {"model": {"class_path": name}},
    "source": lambda name: {"source": {"class_path": name}},
    "source as text": lambda name: {"source": name},
    "source in a source": lambda name: {"source": captioned({"class_path": name})},
    "text in a source": lambda name: {"source": captioned(name)},
    "deep": lambda name: {"source": captioned(captioned(captioned(name)))},
    "JSON": lambda name: {"source": captioned(f'{{"class_path": "{name}"}}')},
    "a file": lambda name: {"source": captioned("payload.yaml")},
    "a file without an ending": lambda name: {"source": captioned("words")},
    "views": lambda name: {"views": {"class_path": name}},
    "views as text": lambda name: {"views": name},
    "a request": lambda name: {"forget": name},
    "a request of a class": lambda name: {"forget": {"class_path": name}},
    "dict_kwargs": lambda name: {"model": {**MODEL, "dict_kwargs": {"x": {"class_path": name}}}},
    "an unknown argument": lambda name: {"model": {**MODEL, "init_args": {"x": name}}},
    "a list": lambda name: {"model": {**MODEL, "init_args": {"x": [[{"class_path": name}]]}}},
    "a text argument": lambda name: {"model": {**MODEL, "init_args": {"backbone": {"class_path": name}}}},
    "init_args as text": lambda name: {"model": {**MODEL, "init_args": name}},
    "a dotted key": lambda name: {"source.class_path": name},
    "a dotted argument": lambda name: {"source": captioned(DIGITS, **{"source.class_path": name})},
    "an unknown key": lambda name: {"model": {**MODEL, "__path__": name}},
    "a class of classes": lambda name: {"model": {"class_path": {"class_path": name}}},
}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_imported_that_is_not_allowed(place: str) -> None:
    run = written(**PLACES[place](EVIL))
    with pytest.raises(
        InputError, match=r"Expected classes of unlearning_pl in run/config\.yaml, got .*(payload|words|<dict>)"
    ):
        runs.trusted_settings(run)
    key = "model" if "model" in PLACES[place](EVIL) else "data"
    with pytest.raises(InputError, match="Expected classes of unlearning_pl"):
        runs.instantiate_from_run(run, key)  # type: ignore[arg-type]
    assert not Path("PWNED").exists()
    assert "payload" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("payload.Net", 'got payload.Net. Add `allow=["payload"]` if you trust it.'),
        ("my_package.deep.Net", 'got my_package.deep.Net. Add `allow=["my_package"]` if you trust it.'),
        ("os.system", "got os.system. Do not use this run unless you know why"),
        ("subprocess.Popen", "got subprocess.Popen. Do not use this run"),
        ("unlearning_pl.io.os.system", "got unlearning_pl.io.os.system. Do not use this run"),
        ("unlearning_pl.io.os", "got unlearning_pl.io.os. Do not use"),
        ("unlearning_pl.__main__.main", "got unlearning_pl.__main__.main. Do not use"),
        ("unlearning_pl.learners.learner.SGD", "got unlearning_pl.learners.learner.SGD. Do not use"),
        ("unlearning_pl.data.Digits", "got unlearning_pl.data.Digits. Do not use"),  # no learner
        ("unlearning_pl.blackbox.EmbeddingServer", "got unlearning_pl.blackbox.EmbeddingServer. Do not use"),
        ("torch.nn.Linear", 'got torch.nn.Linear. Add `allow=["torch"]` if'),
        ("Net", "got Net. Add `allow=[Net]` if"),
        ("\x1b[2J", r"got \x1b[2J. Do not use"),
        ("", "got . Do not use"),
        (3, "got <int>. Do not use"),
        (None, "got <NoneType>. Do not use"),
    ],
)
def test_the_refusal_has_the_word_that_allows(name: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        runs.instantiate_from_run(written({"class_path": name}), "model")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("PWNED").exists()


@pytest.mark.parametrize("allow", ["payload", "payload.Net"])
def test_what_the_user_allows_is_read(allow: str) -> None:
    run = written({"class_path": "payload.Net", "init_args": {"backbone": "resnet9_slim"}})
    assert type(runs.instantiate_from_run(run, "model", [allow])).__name__ == "Net"
    assert runs.trusted_settings(run, [allow])["model"]["class_path"] == "payload.Net"


@pytest.mark.parametrize("allow", ["pay", "payload.Ne", "payload.Net.x", "unlearning_pl", "os"])
def test_a_name_that_only_begins_alike_is_not_allowed(allow: str) -> None:
    run = written({"class_path": "payload.Net"})
    with pytest.raises(InputError, match=r"Add `allow=\[\"payload\"\]` if"):
        runs.instantiate_from_run(run, "model", [allow])
    assert not Path("PWNED").exists()


def test_what_an_allowed_module_imports_is_not_allowed_with_it() -> None:
    run = written({"class_path": "payload.os.system"})
    with pytest.raises(InputError, match=r"got payload\.os\.system\. Add `allow=\[\"payload\.os\.system\"\]`"):
        runs.instantiate_from_run(run, "model", ["payload"])
    for value in ("os.system", {"class_path": "subprocess.Popen"}, ["shutil.rmtree"]):
        run = written({"class_path": "payload.WithCallable", "init_args": {"act": value}})
        with pytest.raises(InputError, match=r"got (os\.system|subprocess\.Popen|shutil\.rmtree)\. Do not use"):
            runs.instantiate_from_run(run, "model", ["payload"])


def test_an_argument_of_any_type_may_be_a_text_but_no_class() -> None:
    for value in ("os.system", "a/b.csv", "3", None, "relu"):
        run = written({"class_path": "payload.WithCallable", "init_args": {"activation": value}})
        runs.instantiate_from_run(run, "model", ["payload"])
    for value in ({"class_path": "os.system"}, "{class_path: os.system}", '{"cl\\u0061ss_path": "os.system"}'):
        run = written({"class_path": "payload.WithCallable", "init_args": {"activation": value}})
        with pytest.raises(InputError, match=r"got os\.system"):
            runs.instantiate_from_run(run, "model", ["payload"])


@pytest.mark.parametrize("date", ["2024-09-09", "2024-99-99", "!!timestamp x", "!!bool maybe", "!!int ''"])
def test_a_text_of_any_type_is_read_as_the_parser_reads_it(date: str) -> None:
    value = f"{{class_path: os.system, init_args: {{command: {date}}}}}"  # a date that exists for no other loader
    run = written({"class_path": "payload.WithCallable", "init_args": {"activation": value}})
    with pytest.raises(InputError, match=r"got (os\.system|\{class_path)"):
        runs.instantiate_from_run(run, "model", ["payload"])


@pytest.mark.parametrize("allow", ["a/b", "", "--run", "a.", "a b"])
def test_a_word_that_is_no_name_is_not_allowed(allow: str) -> None:
    with pytest.raises(InputError, match=r"Expected the name of a package or a class as `allow`, got"):
        runs.instantiate_from_run(written(), "model", [allow])


def test_old_names_of_this_package_are_read() -> None:
    run = written(views={"class_path": "unlearning_pl.data.views.JitterViews"})
    with pytest.warns(FutureWarning, match="renamed to"):
        opened: UnlearningData = runs.instantiate_from_run(run, "data")
    assert type(opened.views) is data.JitterViews


JUNK = st.recursive(
    st.sampled_from(
        [None, True, 3, 0.5, "payload.Net", "relu", "payload.yaml", "a/b", "class_path", "unlearning_pl.io"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_path", "init_args", "source", "source.class_path", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(junk=JUNK)
def test_no_settings_import_anything(junk: Any) -> None:
    for key, value in (("model", junk), ("source", junk)):
        run = written(**{key: value})
        try:
            runs.instantiate_from_run(run, "model" if key == "model" else "data")
        except InputError:
            pass
        except (TypeError, ValueError):  # of a constructor of this package, as before
            pass
    assert "payload" not in sys.modules
    assert not Path("PWNED").exists()


def test_a_module_that_the_user_has_imported_is_still_asked_for() -> None:
    class Own(nn.Module):
        pass

    with pytest.raises(InputError, match="Add `allow="):
        check_classes({"class_path": f"{__name__}.Own"}, Learner, [], "run")
    assert Own is not None
