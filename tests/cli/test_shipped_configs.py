"""Configurations of the package are found by name from any folder, after files of the user."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from unlearning_pl.benchmark import run_benchmark
from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.cli import shipped_configs
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.cli.shipped_configs import find_config, find_configs
from unlearning_pl.errors import InputError, UnfinishedError

CONFIGS = Path(__file__).parents[2] / "configs"
NEG_GRAD = CONFIGS / "methods/neg_grad.yaml"
SPELLINGS = ["methods/neg_grad", "methods/neg_grad.yaml", "configs/methods/neg_grad", "configs/methods/neg_grad.yaml"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def own(path: str, text: str = "seed_everything: 3\n") -> Path:
    """A configuration in the user's folder."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return Path(path)


def test_every_file_has_a_name() -> None:
    assert {*shipped_configs.shipped_configs().values()} == {*CONFIGS.rglob("*.yaml")}


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_leads_to_the_file(name: str) -> None:
    assert Path(find_config(name)).samefile(NEG_GRAD)
    Path(name).mkdir(parents=True)  # a folder is no configuration
    assert Path(find_config(name)).samefile(NEG_GRAD)


@pytest.mark.parametrize("name", [*SPELLINGS, "mine.yaml"])
def test_a_file_at_the_path_comes_first(name: str) -> None:
    own(name)
    assert Path(find_config(name)).samefile(name)
    assert configuration(["fit", "--model", "SimCLR", "--config", name])["seed_everything"] == 3


@pytest.mark.parametrize("name", [name for name in SPELLINGS if not name.endswith(".yaml")])
def test_a_name_that_may_be_either_is_refused(name: str) -> None:
    own(f"{name}.yaml")
    with pytest.raises(InputError, match=f"got '{name}', which may be the file {name}.yaml or the package's own"):
        find_config(name)
    Path(f"{name}.yaml").unlink()
    Path(f"{name}.yaml").symlink_to(NEG_GRAD)  # a source tree: both are the same file
    assert Path(find_config(name)).samefile(NEG_GRAD)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("neg_grad", "Did you mean methods/neg_grad or methods/neg_grad_plus?"),
        ("method/neg_grad_plus", "Did you mean methods/neg_grad_plus or methods/neg_grad?"),
        ("configs/methods/Neg-Gradd.yaml", "Did you mean methods/neg_grad or methods/neg_grad_plus?"),
        ("digits.yaml", "Did you mean data/digits or views/digits"),
        ("tuning/neg_gradd", "Did you mean tuning/neg_grad or tuning/neg_grad_plus?"),
        ("./configs/methods/neg_grad.yaml", "Did you mean methods/neg_grad"),
        ("../configs/nothing_like_it", "Run `unlearning-pl configs`"),
        ("", "Run `unlearning-pl configs`"),
    ],
)
def test_another_name_gets_the_nearest_in_one_line(name: str, remedy: str) -> None:
    for words in (["--config", name], [f"--config={name}"], ["-c", name]):
        with pytest.raises(InputError, match=re.escape(remedy)) as caught:
            configuration(["fit", *words])
        assert str(caught.value).startswith(f"Expected a configuration, got '{name}', which is no file.")
        assert "\n" not in str(caught.value)


def test_settings_as_text_and_values_of_other_options_stay() -> None:
    words = ["fit", "--config", "{seed_everything: 4}", "--run", "methods/neg_grad", "--config=seed_everything: 5"]
    assert find_configs(words) == words


def test_an_installation_without_them_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped_configs, "_PLACES", (tmp_path / "here", tmp_path / "there"))
    with pytest.raises(InputError, match="Install the package again"):
        find_config("methods/neg_grad")


def test_a_run_records_settings_and_not_the_name(tmp_path: Path) -> None:
    by_name = configuration(["fit", "--config", "experiments/simclr_digits", "-c", "trainer/cpu"])
    paths = [str(CONFIGS / "experiments/simclr_digits.yaml"), str(CONFIGS / "trainer/cpu.yaml")]
    assert by_name == configuration(["fit", "--config", paths[0], "--config", paths[1]])
    assert by_name["data"]["source"]["init_args"]["train_size"] == 400
    assert by_name["trainer"]["precision"] == "bf16-mixed"
    assert not re.search(r"simclr_digits|trainer/cpu", yaml.safe_dump(by_name))


def test_a_plan_is_found_by_name_and_finds_what_it_stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (read,) = read_plans(["benchmarks/digits_moco"])
    assert read.path.samefile(CONFIGS / "benchmarks/digits_moco.yaml")
    monkeypatch.setattr(run_benchmark, "read_plans", lambda paths, allow: [read])

    def refuse(words: list[str]) -> None:
        raise InputError("Expected an original.")

    with pytest.raises(UnfinishedError):
        run_benchmark.benchmark(refuse, ["benchmarks/digits_moco"], [0], "made")
    page = (tmp_path / "made/digits_moco/table.md").read_text()
    assert "unlearning-pl benchmark benchmarks/digits_moco --seeds 0" in page  # and not where it is installed


def test_a_copy_of_a_plan_needs_nothing_beside_it(tmp_path: Path) -> None:
    plan = {"fit": "--config experiments/classifier_digits", "forget": {"count": 8}}
    methods = {"neg_grad": "--config configs/methods/neg_grad.yaml --config methods/coun"}
    own("mine.yaml", yaml.safe_dump({**plan, "methods": methods}))
    (read,) = read_plans(["mine.yaml"])
    shutil.copy(NEG_GRAD, tmp_path)
    assert read.job.methods == methods
