"""What docs/owner.md says is what an owner gets."""

import json
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import HTTPServer
from pathlib import Path

import pytest
import torch

from unlearning_pl.blackbox import EmbeddingServer, open_encoder
from unlearning_pl.commands.main import main
from unlearning_pl.commands.owner import owner_parser
from unlearning_pl.commands.serve import serve_parser

PAGE = (Path(__file__).parents[2] / "docs/owner.md").read_text()
BLOCKS = dict(re.findall(r"```(json|python)\n(.*?)```", PAGE, flags=re.DOTALL))


def test_the_commands_run(made: Path, owned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/original").symlink_to(made / "original")
    (tmp_path / "runs/unlearned").symlink_to(made / "after")
    for name in ("mine", "strange"):
        (tmp_path / name).symlink_to(owned / name)
    lines = [shlex.split(line)[1:] for line in re.findall(r"^unlearning-pl .*", PAGE, flags=re.MULTILINE)]
    assert [line[0] for line in lines] == ["owner", "serve"]
    assert main(lines[0]) == 0
    assert (tmp_path / "owner_audit/report.html").is_file()
    given = json.loads((tmp_path / "owner_audit/report.json").read_text())["context"]["conclusion"]
    assert "AUC" not in given  # the page has the sentences of the verdict anyway
    assert serve_parser().parse_args(lines[1][1:]).port == 8000


def test_the_client_of_the_page_gets_vectors(
    made: Path, serving: Callable[[HTTPServer], AbstractContextManager[str]]
) -> None:
    encoder = open_encoder(str(made / "after"))
    space: dict[str, object] = {}
    with serving(EmbeddingServer(encoder, port=0)) as address:
        exec(BLOCKS["python"].replace("http://127.0.0.1:8000", address), space)
    expected = encoder(torch.zeros(2, 8, 8, 3, dtype=torch.uint8)).numpy()
    assert space["vectors"].dtype == expected.dtype  # type: ignore[attr-defined]
    torch.testing.assert_close(space["vectors"], expected, rtol=0, atol=1e-6)


def test_the_options_and_fields_of_the_page_exist() -> None:
    assert json.loads(BLOCKS["json"]).keys() == {"protocol", "name", "image_size", "dimensions"}
    known = {*owner_parser()._option_string_actions, *serve_parser()._option_string_actions}
    named = set(re.findall(r"--[a-z_]+", PAGE))
    assert named <= known | {"--augmentation"}
    left_out = {"--config", "--help", "--print_config", "--model"}
    wanted = {option for option in known if option.startswith("--") and "." not in option and option[-1] != "+"}
    assert wanted - left_out <= named
