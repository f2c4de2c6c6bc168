"""What the README says is what a newcomer gets: its commands and its Python run, in order, for one epoch."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from documented import commands
from photo_folders import write_photos
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchvision.models import mobilenet_v3_small

from unlearning_pl.cli.audit_options import audit_parser
from unlearning_pl.cli.command_parser import parse_args
from unlearning_pl.cli.finished_runs import configuration
from unlearning_pl.cli.shipped_configs import find_config
from unlearning_pl.commands.benchmark import benchmark_parser
from unlearning_pl.commands.main import main
from unlearning_pl.commands.owner import owner_parser
from unlearning_pl.commands.serve import serve_parser
from unlearning_pl.commands.shadow import shadow_parser
from unlearning_pl.data import Digits
from unlearning_pl.deprecated import names
from unlearning_pl.training.trainer import UnlearningTrainer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
pytestmark = pytest.mark.usefixtures("_undrawn")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_commands_of_the_readme_run_in_order(tmp_path: Path) -> None:
    lines = commands(README)
    assert [line.split()[0] for line in lines] == ["fit", "fit", "unlearn", "audit", "unlearn", "fit", "audit"]
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    for line in lines:
        assert main(shlex.split(f"{line} --views 3" if line.startswith("audit") else f"{line} {short}")) == 0
    assert (tmp_path / "runs/alignment_calibration/audit/report.html").is_file()
    assert "Each step's own share" in (tmp_path / "runs/second/audit/report.html").read_text()


def test_the_commands_on_requests_run_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = Digits().load()[0].ids
    rows = [f"{name},{17 + row % 3}" for row, name in enumerate(ids)]
    (tmp_path / "owners.csv").write_text("\n".join(["id,owner", *rows]))
    for line in commands((ROOT / "docs/requests.md").read_text()):
        short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
        assert main(shlex.split(line if line.startswith("split") else f"{line} {short}")) == 0, line
    forgotten = [
        json.loads((tmp_path / run / "split.json").read_text())["forget"]
        for run in ("runs/unlearned", "runs/retrained")
    ]
    assert (
        sorted(forgotten[0]) == sorted(forgotten[1]) == sorted(json.loads(Path("hardest.json").read_text())["forget"])
    )
    assert "forget (hardest 20, original runs/original)" in capsys.readouterr().out


def test_the_commands_of_the_page_on_views_run_in_order() -> None:
    lines = commands((ROOT / "docs/views.md").read_text())
    assert [line.split()[0] for line in lines] == ["fit", "views", "views", "views"]
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    for line in lines:
        assert main(shlex.split(f"{line} {short}" if line.startswith("fit") else line)) == 0


def test_the_commands_of_the_page_on_optimisers_run_in_order() -> None:
    lines = commands((ROOT / "docs/optimizers.md").read_text())
    assert [line.split()[0] for line in lines] == ["fit", "fit", "fit", "unlearn"]
    short = "--trainer.max_epochs 1 --warmup_steps 2 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    for line in lines:
        assert "--warmup_steps" in line
        assert main(shlex.split(f"{line} --trainer.fast_dev_run true --trainer.accelerator cpu")) == 0, line
        assert main(shlex.split(f"{line} {short}")) == 0, line


def test_the_commands_of_the_page_on_files_run_in_order(tmp_path: Path) -> None:
    """A smaller network under the name of the page's, since the commands guess the architecture."""
    for part, seed in (("train", 0), ("test", 1)):
        write_photos(tmp_path / "photos" / part, seed=seed)
    (tmp_path / "ids.txt").write_text("cat/1.png")
    given = mobilenet_v3_small(num_classes=3).state_dict()
    torch.save(given, "resnet18.pt")
    lines = commands((ROOT / "docs/import_export.md").read_text())
    assert [line.split()[0] for line in lines] == ["import", "unlearn", "export"]
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    options = {"import": "--data.source.image_size 32", "unlearn": short, "export": ""}
    for line in lines:
        assert main(shlex.split(f"{line} {options[line.split()[0]]}")) == 0, line
    written = torch.load("unlearned.pt", weights_only=True)
    mobilenet_v3_small(num_classes=3).load_state_dict(written, strict=True)
    assert any(not torch.equal(written[name], given[name]) for name in given)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("shadow.md", {"shadow", "fit", "unlearn"}),
        ("owner.md", {"owner", "serve"}),
        ("cluster.md", {"fit"}),
        ("../docker/slurm/README.md", {"fit", "unlearn", "audit", "benchmark"}),
    ],
)
def test_the_commands_of_a_page_parse(page: str, expected: set[str], tmp_path: Path) -> None:
    parsers = {"shadow": shadow_parser, "owner": owner_parser, "serve": serve_parser}
    parsers |= {"audit": audit_parser, "benchmark": benchmark_parser}
    lines = [shlex.split(line) for line in commands((ROOT / "docs" / page).read_text()) if not line.endswith("...")]
    assert {words[0] for words in lines} >= expected
    (tmp_path / "model.ckpt").touch()  # any file passes for weights here
    for command, *options in lines:
        if command in parsers:
            parse_args(parsers[command](), options)
            continue
        run = tmp_path / options[options.index("--run") + 1]
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(json.dumps(configuration([command, *options])))  # unlearn begins as it


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    whole = UnlearningTrainer.__init__

    def short(self: UnlearningTrainer, **options: object) -> None:
        options |= {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
        whole(self, **options)

    monkeypatch.setattr(UnlearningTrainer, "__init__", short)
    exec(block, {})
    assert 0 <= float(capsys.readouterr().out) <= 1


def test_the_method_of_the_guide_runs_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    (tmp_path / "my_package.py").write_text(re.sub(r"^   ", "", block, flags=re.MULTILINE))
    monkeypatch.syspath_prepend(tmp_path)
    small = "--data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
    short = "--trainer.max_epochs 1 --trainer.accelerator cpu --trainer.enable_progress_bar false"
    fit = f"fit --config configs/experiments/simclr_digits.yaml {small} {short}"
    unlearn = f"unlearn --original runs/original --forget.count 8 --run runs/new {short}"
    assert main(shlex.split(fit)) == 0
    assert main(shlex.split(f"{unlearn} --method my_package.WeightedFineTune --method.weight 0.5")) == 0
    events = EventAccumulator("runs/new").Reload()
    ((weighted,), (unweighted,)) = (events.Scalars(f"train/{name}") for name in ("loss", "unweighted_loss"))
    assert weighted.value == pytest.approx(0.5 * unweighted.value, rel=1e-5)


def test_the_page_on_renames_has_every_old_name() -> None:
    page = (ROOT / "docs/migrating.md").read_text()
    modules = {f"unlearning_pl.{old}": f"unlearning_pl.{new}" for old, new in names.MODULES.items()}
    arguments = {old: new for keys in names.KEYS.values() for old, new in keys.items()}
    for table in (modules, names.NAMES, names.ATTRIBUTES, arguments):
        for old, new in table.items():
            assert re.search(rf"^\| `{re.escape(old)}` \| `{re.escape(new)}` \|", page, flags=re.MULTILINE), old
    assert all(f"`{name}`" in page for name in names.KEYS)
    assert all(f"`{option}: {old}`" in page for option, old in names.VALUES)


def test_the_source_of_the_page_on_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "data.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "scans.py").write_text(block)
    monkeypatch.syspath_prepend(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (164, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "scans.npy", pixels)
    np.save(tmp_path / "labels.npy", np.arange(164) % 2)
    (line,) = re.findall(r"^PYTHONPATH=. unlearning-pl (.*scans.*)$", page, flags=re.MULTILINE)
    short = "--data.batch_size 32 --trainer.fast_dev_run true --trainer.accelerator cpu --model.backbone resnet9_slim"
    assert main(shlex.split(f"{line} {short} --trainer.enable_progress_bar false")) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_files_exist(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"@[A-Z_]+@", text)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), target
    for target in re.findall(r"configs/[\w/]+\.yaml", text):
        if "/my_" not in target:  # a file that the reader adds
            assert (ROOT / target).exists(), target
    for name in re.findall(r"--config[ =](\w+/\w+)(?![\w./])", text):
        assert Path(find_config(name)).is_file()
