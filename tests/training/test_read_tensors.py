"""A file that is no checkpoint of tensors gets one line with what it is, and nothing of it runs."""

import argparse
import io
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from unlearning_pl.errors import InputError
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.pickled_names import pickled_names
from unlearning_pl.training.read_tensors import read_tensors

STATE = {"a": torch.arange(6.0), "b": torch.ones(2, 3, dtype=torch.float16)}


class Touch:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def saved(content: object = STATE, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def scripted() -> bytes:
    stream = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), stream)
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, a=np.ones(2))
    return stream.getvalue()


@pytest.mark.parametrize("suffix", ["ckpt", "pth", "bin", "safetensors"])
@pytest.mark.parametrize("kind", ["torch", "older torch", "safetensors"])
def test_tensors_are_read_whatever_the_name_of_the_file(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w.{suffix}"
    if kind == "safetensors":
        save_file(STATE, path, metadata={"format": "pt"})
    else:
        path.write_bytes(saved(_use_new_zipfile_serialization=kind == "torch"))
    found = read_checkpoint(path)["state_dict"]
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], value) for name, value in STATE.items())


FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "which is empty."),
    "html": (lambda: b"<!DOCTYPE html><title>404</title>", "a page of HTML or XML, as of a download that failed"),
    "html after blanks": (lambda: b"\xef\xbb\xbf\r\n <html>", "a page of HTML"),
    "json": (lambda: b'{"error": "not found"}', "which is a text file."),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a pointer of Git LFS"),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
    "gzip": (lambda: b"\x1f\x8b\x08" + bytes(99), "a gzip archive. Unpack it"),
    "npy": (lambda: b"\x93NUMPY" + bytes(99), "a NumPy array"),
    "npz": (arrays, "an archive of NumPy arrays"),
    "docx": (lambda: zipped({"word/document.xml": b"<w/>"}), "a zip archive without weights"),
    "torchscript": (scripted, "which is TorchScript, which is code. Load it with torch.jit.load and save its weights"),
    "tar": (tarred, "a tar archive: a packed folder, or a checkpoint of torch 0.1"),
    "random": (lambda: random.Random(0).randbytes(600), "of an unknown format"),
    "class": (lambda: saved({"state_dict": STATE, "args": argparse.Namespace(lr=1)}), "runs argparse.Namespace."),
    "old class": (
        lambda: saved({"args": argparse.Namespace(lr=1)}, _use_new_zipfile_serialization=False),
        "runs argparse.Namespace.",
    ),
    "module": (lambda: saved({"net": torch.nn.ReLU()}), "a pickle that runs torch.nn.modules.activation.ReLU."),
    "plain pickle": (lambda: pickle.dumps({"args": argparse.Namespace(lr=1)}), "runs argparse.Namespace."),
    "numpy scalar": (lambda: saved({"best": np.float64(1)}), "multiarray.scalar. Nothing of it was run"),
    "bytearray": (
        lambda: b"\x80\x02cbuiltins\nbytearray\nK\x03\x85R.",
        "a pickle in another form than torch.save's own",
    ),
    "plain pickle of numbers": (lambda: pickle.dumps([1]), "a pickle in another form than torch.save's own"),
    "protocol 4": (lambda: saved(pickle_protocol=4), "a pickle in another form than torch.save's own"),
    "truncated": (lambda: saved()[:-40], "which is truncated or damaged"),
    "truncated old": (lambda: saved(_use_new_zipfile_serialization=False)[:-40], "which is truncated or damaged"),
    "truncated pickle": (lambda: saved(_use_new_zipfile_serialization=False)[:200], "which is truncated or damaged"),
    "truncated safetensors": (lambda: (9999).to_bytes(8, "little") + b'{"a":', "a safetensors file, got"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint_is_named(name: str, tmp_path: Path) -> None:
    make, message = FILES[name]
    path = tmp_path / "w.pt"
    path.write_bytes(make())
    with pytest.raises(InputError) as caught:
        read_tensors(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("zipped_form", [True, False])
def test_code_never_runs_and_is_named(zipped_form: bool, tmp_path: Path) -> None:
    content = {"state_dict": STATE, "x": Touch(tmp_path / "owned")}
    (tmp_path / "w.pt").write_bytes(saved(content, _use_new_zipfile_serialization=zipped_form))
    with pytest.raises(InputError, match=r"a pickle that runs (pathlib|builtins\.getattr|getattr)"):
        read_checkpoint(tmp_path / "w.pt")
    pickled_names(tmp_path / "w.pt")
    assert not (tmp_path / "owned").exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(4_000_000)}))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (tmp_path / "w.pt").write_bytes(zipped(members, zipfile.ZIP_DEFLATED))
    assert (tmp_path / "w.pt").stat().st_size < 100_000
    with pytest.raises(InputError, match="a compressed archive of 160"):
        read_tensors(tmp_path / "w.pt")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), kind=st.sampled_from(["torch", "older torch", "safetensors"]))
def test_a_damaged_file_is_read_or_refused(
    data: st.DataObject, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "w.pt"
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        path.write_bytes(saved(_use_new_zipfile_serialization=kind == "torch"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    try:
        read_checkpoint(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  either outcome is right
