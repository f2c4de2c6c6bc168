import errno
import io
import json
import multiprocessing
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import encoded, pixels, truncated, write
from PIL import Image

from unlearning_pl.images import shared_pixels
from unlearning_pl.images.decoding import Reference, load_images
from unlearning_pl.images.shared_pixels import share_pixels


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNLEARNING_PL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shared_pixels, "_LEAST", 0)
    return tmp_path / "cache"


class Maker:
    def __init__(self, value: int = 7) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> tuple[np.ndarray, Any]:
        self.calls += 1
        return np.full((3, 2), self.value, dtype=np.uint8), {"made": [self.value]}


def test_what_is_shared_is_made_once(cache: Path) -> None:
    make = Maker()
    for _ in range(2):
        images, notes = share_pixels(["a", 1], 6, make)
        assert torch.equal(images, torch.full((3, 2), 7, dtype=torch.uint8))
        assert notes == {"made": [7]}
    assert make.calls == 1
    assert len(list(cache.glob("*.pixels"))) == 1


@pytest.mark.parametrize("other", [["a", 2], ["a"], [b"a", 1], ["a1"], ["a", "1"]])
def test_anything_else_is_made_anew(other: list[Any]) -> None:
    share_pixels(["a", 1], 6, Maker())
    assert share_pixels(other, 6, Maker(8))[0].unique().tolist() == [8]


def test_few_pixels_write_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_pixels, "_LEAST", 7)
    make = Maker()
    assert share_pixels(["a"], 6, make)[1] == share_pixels(["a"], 6, make)[1] == {"made": [7]}
    assert make.calls == 2
    assert not cache.exists()


def test_writing_changes_nobody_elses_pixels() -> None:
    ours, _ = share_pixels(["a"], 6, Maker())
    theirs, _ = share_pixels(["a"], 6, Maker())
    ours.zero_()
    assert theirs.unique().tolist() == share_pixels(["a"], 6, Maker())[0].unique().tolist() == [7]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


HARM = {
    "a bit of the pixels": lambda data: flipped(data, len(data) - 3),
    "a bit of the notes": lambda data: flipped(data, data.index(b"7")),
    "a bit of the checksum": lambda data: flipped(data, 1),
    "cut": lambda data: data[:-1],
    "empty": lambda data: b"",
    "longer": lambda data: data + b"x",
    "beginning lost": lambda data: data[6:],
    "zeros": lambda data: b"\0" * len(data),
    "other JSON": lambda data: b"[]" + (2).to_bytes(8, "little"),
    "noise": lambda data: b"\xff" * 20,
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_damaged_file_is_named_once_and_made_again(harm: Any, cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    file.write_bytes(harm(file.read_bytes()))
    make = Maker()
    with pytest.warns(UserWarning, match="is damaged: it is made anew") as warned:
        assert share_pixels(["a"], 6, make)[0].unique().tolist() == [7]
    assert len(warned) == 1
    assert str(file) in str(warned[0].message)
    assert make.calls == 1
    share_pixels(["a"], 6, make)
    assert make.calls == 1


@pytest.mark.filterwarnings("ignore:The file of shared pixels .* is damaged")
def test_a_file_that_is_cut_or_changed_anywhere_is_made_again(cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    data = file.read_bytes()
    for place in range(len(data)):
        for damaged in (data[:place], flipped(data, place)):
            file.write_bytes(damaged)
            assert share_pixels(["a"], 6, Maker(8))[0].unique().tolist() == [8]


@pytest.mark.parametrize("suffix", [".pixels", ".part", ".lock"])
def test_no_link_is_followed(suffix: str, cache: Path, tmp_path: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    precious = write(tmp_path / "precious", file.read_bytes())
    file.unlink()
    file.with_suffix(suffix).unlink(missing_ok=True)
    file.with_suffix(suffix).symlink_to(precious)
    before = precious.read_bytes()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert share_pixels(["a"], 6, Maker(8))[0].unique().tolist() == [8]
    message = {".pixels": "is a symbolic link: it is made anew", ".lock": "cannot be shared", ".part": None}[suffix]
    assert [message in str(warning.message) for warning in told] == ([True] if message else [])
    assert precious.read_bytes() == before


def test_the_default_folder_of_an_earlier_version_becomes_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UNLEARNING_PL_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache/unlearning-pl"
    folder.mkdir(parents=True)
    folder.chmod(0o775)  # by a umask of 002
    share_pixels(["a"], 6, Maker())
    assert len([*folder.glob("*.pixels")]) == 1
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("what", ["folder", "file", "owner of the folder", "owner of the file"])
def test_what_another_user_could_change_is_not_used(what: str, cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    changed = cache if "folder" in what else file
    if not what.startswith("owner"):
        changed.chmod(0o777 if changed == cache else 0o660)
    elif os.geteuid() == 0:
        os.chown(changed, 12345, 12345)
    else:
        pytest.skip("only root can give files away")
    reason = "belongs to user 12345" if what.startswith("owner") else "can be written by other users"
    message = f"cannot be shared.*the folder {reason}.*chmod go-w" if changed == cache else f"{reason}: it is made"
    with pytest.warns(UserWarning, match=message):
        assert share_pixels(["a"], 6, Maker(8))[0].unique().tolist() == [8]
    if changed == file:
        assert share_pixels(["a"], 6, Maker(9))[0].unique().tolist() == [8]


def test_a_pipe_in_place_of_a_file_holds_nobody_up(cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    file.unlink()
    os.mkfifo(file)
    with pytest.warns(UserWarning, match="is no file: it is made anew"):
        assert share_pixels(["a"], 6, Maker(8))[0].unique().tolist() == [8]


def test_what_a_killed_process_left_is_written_over(cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    file.rename(file.with_suffix(".part"))
    assert share_pixels(["a"], 6, Maker(8))[0].unique().tolist() == [8]
    assert not list(cache.glob("*.part"))


def test_a_deleted_file_stays_with_who_has_it(cache: Path) -> None:
    images, _ = share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    file.unlink()
    assert images.unique().tolist() == [7]


@pytest.mark.parametrize("what", ["a file in the way", "no rights", "full", "no locks"])
def test_what_cannot_be_written_is_held_by_each(what: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "a file in the way":
        cache.write_text("")
    elif what == "no rights":
        cache.mkdir(mode=0o500)
        if os.access(cache, os.W_OK):
            pytest.skip("this user may write everywhere")
    elif what == "no locks":
        fcntl = pytest.importorskip("fcntl")

        def refuse(*_: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
    else:

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
    make = Maker()
    with pytest.warns(UserWarning, match="cannot be shared between processes in .*Set UNLEARNING_PL_CACHE"):
        images, notes = share_pixels(["a"], 6, make)
    assert images.unique().tolist() == notes["made"] == [7]
    assert make.calls == 1
    assert not cache.is_dir() or not [file for file in cache.iterdir() if file.suffix != ".lock"]


@pytest.mark.parametrize("when", ["before it is opened", "before it is mapped"])
def test_a_file_that_is_deleted_at_once_is_held_by_each(
    when: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete(*_: Any, **__: Any) -> None:
        for file in cache.glob("*.pixels"):
            file.unlink()

    module, name = (os, "replace") if when == "before it is opened" else (json, "loads")
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: (real(*given), delete())[0])
    make = Maker()
    assert share_pixels(["a"], 6, make)[0].unique().tolist() == [7]
    assert make.calls == 1


def test_what_does_not_last_is_made_for_each(cache: Path) -> None:
    make = Maker()
    for _ in range(2):
        assert share_pixels(["a"], 6, make, lambda: make.calls > 2)[0].unique().tolist() == [7]
    share_pixels(["a"], 6, make, lambda: True)
    share_pixels(["a"], 6, make)
    assert make.calls == 3


def test_images_are_private_to_their_owner(cache: Path) -> None:
    share_pixels(["a"], 6, Maker())
    (file,) = cache.glob("*.pixels")
    assert file.stat().st_mode & 0o077 == cache.stat().st_mode & 0o077 == 0


def come_first(told: Any, start: Any) -> None:
    def make() -> tuple[np.ndarray, Any]:
        told.put("made")
        return np.arange(200_000, dtype=np.uint8), None

    shared_pixels._LEAST = 0
    start.wait()
    told.put(int(share_pixels(["race"], 200_000, make)[0].sum()))


def die_first(told: Any) -> None:
    def make() -> tuple[np.ndarray, Any]:
        told.put("started")
        time.sleep(60)
        raise AssertionError

    share_pixels(["a"], 6, make)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of newer releases of Python
def test_another_process_takes_over_where_the_first_dies() -> None:
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    first = context.Process(target=die_first, args=(told,))
    first.start()
    assert told.get(timeout=30) == "started"
    threading.Timer(0.3, first.kill).start()  # while this process waits for it
    assert share_pixels(["a"], 6, Maker())[0].unique().tolist() == [7]
    first.join()
    assert first.exitcode == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # of newer releases of Python
def test_of_several_processes_one_makes_it() -> None:
    context = multiprocessing.get_context("fork")
    told, start = context.Queue(), context.Barrier(4)
    crew = [context.Process(target=come_first, args=(told, start)) for _ in range(4)]
    for process in crew:
        process.start()
    answers = [told.get(timeout=30) for _ in range(5)]
    for process in crew:
        process.join()
    total = int(np.arange(200_000, dtype=np.uint8).sum())
    assert sorted(map(str, answers)) == sorted(["made", *[str(total)] * 4])


def test_decoded_images_are_mapped_until_a_file_changes(tmp_path: Path, cache: Path) -> None:
    files = [write(tmp_path / f"{row}.png", encoded(pixels(seed=row))) for row in range(3)]
    references, names = [Reference(str(file)) for file in files], ["a", "b", "c"]
    first, _ = load_images(references, names, 8)
    again, _ = load_images(references, names, 8)
    assert torch.equal(first, again)
    assert len(list(cache.glob("*.pixels"))) == 1
    files[1].write_bytes(encoded(pixels(seed=7)))
    changed, _ = load_images(references, names, 8)
    assert torch.equal(changed[[0, 2]], first[[0, 2]])
    np.testing.assert_array_equal(changed[1].numpy(), pixels(seed=7).transpose(2, 0, 1))
    assert len({len(load_images(references, names, size)[0][0, 0]) for size in (4, 8)}) == 2


def test_a_copy_that_keeps_size_and_time_is_noticed(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{row}.bmp", encoded(pixels(seed=row), "bmp")) for row in range(2)]
    load_images([Reference(str(file)) for file in files], ["a", "b"], 8)
    before = files[1].stat()
    files[1].write_bytes(encoded(pixels(seed=7), "bmp"))
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files[1].stat().st_size == before.st_size
    changed, _ = load_images([Reference(str(file)) for file in files], ["a", "b"], 8)
    np.testing.assert_array_equal(changed[1].numpy(), pixels(seed=7).transpose(2, 0, 1))


def test_other_places_in_a_file_are_other_images(tmp_path: Path) -> None:
    data = [encoded(pixels(seed=row), "bmp") for row in range(3)]
    shard = str(write(tmp_path / "a.tar", b"".join(data)))
    size = len(data[0])
    for rows in ([0, 1], [1, 0], [2, 1]):
        found, _ = load_images([Reference(shard, row * size, size) for row in rows], ["a", "b"], 8)
        for image, row in zip(found, rows, strict=True):
            np.testing.assert_array_equal(image.numpy(), pixels(seed=row).transpose(2, 0, 1))


def test_another_release_of_pillow_decodes_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for release in ("1.0", "2.0", "1.0"):
        monkeypatch.setattr("PIL.__version__", release)
        load_images([encoded(pixels())], ["a"], 8)
    assert len(list(cache.glob("*.pixels"))) == 2


@pytest.mark.filterwarnings("ignore:1 of 2 images are corrupt")
@pytest.mark.parametrize("fault", [OSError(24, "Too many open files"), MemoryError()], ids=repr)
def test_an_image_that_could_not_be_read_once_is_looked_at_again(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path / f"{row}.png", encoded(pixels(seed=row))) for row in range(2)]
    references = [Reference(str(file)) for file in files]
    opened = open if isinstance(fault, OSError) else Image.open

    def fail_on_second(what: Any, *more: Any, **options: Any) -> Any:
        second = what == str(files[1]) or (isinstance(what, io.BytesIO) and what.getvalue() == files[1].read_bytes())
        if second:
            raise fault
        return opened(what, *more, **options)

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open" if opened is open else "PIL.Image.open", fail_on_second)
        assert load_images(references, ["a", "b"], 8, "skip")[1] == [0]
    assert load_images(references, ["a", "b"], 8, "skip")[1] == [0, 1]


def test_what_was_left_out_is_told_each_time(tmp_path: Path) -> None:
    images = [encoded(pixels()), truncated(), b""]
    for _ in range(2):
        with pytest.warns(UserWarning, match="2 of 3 images are corrupt"):
            found, kept = load_images(images, ["a", "b", "c"], 8, "skip")
        assert kept == [0]
        assert len(found) == 1
