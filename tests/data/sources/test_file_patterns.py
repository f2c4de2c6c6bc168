from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from image_files import write

from unlearning_pl.data.sources import file_patterns
from unlearning_pl.data.sources.file_patterns import find_files
from unlearning_pl.errors import InputError


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


def test_capitals_and_links_to_folders_count(tmp_path: Path) -> None:
    write(tmp_path / "shards" / "A.TAR", b"")
    write(tmp_path / "elsewhere" / "b.tar", b"")
    (tmp_path / "shards" / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "shards" / "again").symlink_to(tmp_path / "shards", target_is_directory=True)
    found = find_files("train", str(tmp_path / "shards"), "*.tar")
    assert [file.relative_to(tmp_path / "shards").as_posix() for file in found] == ["A.TAR", "more/b.tar"]


@pytest.mark.parametrize("name", ["b.tar.gz", "b.TGZ", "deep/b.tar.zst"])
def test_compressed_files_of_a_folder_are_not_lost(name: str, tmp_path: Path) -> None:
    write(tmp_path / "a.tar", b"")
    write(tmp_path / name, b"")
    with pytest.raises(InputError, match=rf"not compressed, got {name}\. Unpack"):
        find_files("train", str(tmp_path), "*.tar")
