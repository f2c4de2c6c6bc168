from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from image_files import write

from unlearning_pl.data.sources import file_patterns
from unlearning_pl.data.sources.file_patterns import find_files


def test_a_folder_is_read_deep_and_sorted_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.tar", "a/c.tar", "a-b/d.tar", "B.tar", "._b.tar", ".cache/e.tar", "f.txt"):
        write(tmp_path / "shards" / name, b"")
    root = tmp_path / "shards"
    expected = ["B.tar", "a/c.tar", "a-b/d.tar", "b.tar"]
    assert [file.relative_to(root).as_posix() for file in find_files("train", str(root), "*.tar")] == expected
    assert [file.name for file in find_files("train", f"{root}/*.tar", "*.tar")] == ["B.tar", "b.tar"]
    assert find_files("train", f"{root}/._b.tar", "*.tar") == [root / "._b.tar"]


def test_a_folder_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / ".data" / "a.tar", b"")
    assert find_files("train", str(tmp_path / ".data"), "*.tar") == [file]


def test_the_order_is_that_of_other_platforms_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Folderless(PureWindowsPath):
        def expanduser(self) -> Any:
            return self

        def is_dir(self) -> bool:
            return False

        is_file = is_dir

    monkeypatch.setattr(file_patterns, "Path", Folderless)
    monkeypatch.setattr("glob.glob", lambda *_, **__: ["a.tar", "B.tar"])
    assert [file.name for file in find_files("train", "*.tar", "*.tar")] == ["B.tar", "a.tar"]
