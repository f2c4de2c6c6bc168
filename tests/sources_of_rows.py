"""One small data set in every kind of source, for tests of rules that all sources share."""

import io
import json
import tarfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from image_files import encoded, pixels, write

from unlearning_pl.data import Hub, ImageTable, Parquet, Shards, Source

Row = dict[str, Any]  # name, label, caption, owner: whatever a test gives
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
PARTS = ("train", "test")


def png(seed: int = 0) -> bytes:
    return encoded(pixels(seed=seed))


def text_table(ending: str, separator: str) -> Callable[..., Source]:
    def make(root: Path, **parts: list[Row]) -> Source:
        for part, rows in parts.items():
            lines = [separator.join(rows[0]), *(separator.join(map(str, row.values())) for row in rows)]
            write(root / f"{part}{ending}", "\n".join(lines).encode())
        return ImageTable(*(str(root / f"{part}{ending}") for part in PARTS))

    return make


def json_table(root: Path, **parts: list[Row]) -> Source:
    for part, rows in parts.items():
        write(root / f"{part}.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return ImageTable(*(str(root / f"{part}.jsonl") for part in PARTS))


def parquet_table(root: Path, **parts: list[Row]) -> Source:
    for part, rows in parts.items():
        pq.write_table(pa.Table.from_pylist(rows), root / f"{part}.parquet")
    return ImageTable(*(str(root / f"{part}.parquet") for part in PARTS))


def parquet_files(root: Path, **parts: list[Row]) -> list[str]:
    (root / "files").mkdir(exist_ok=True)
    for part, rows in parts.items():
        columns = {name: [row[name] for row in rows] for name in rows[0] if name != "image"}
        images = [{"bytes": png(seed), "path": row["image"]} for seed, row in enumerate(rows)]
        pq.write_table(pa.table({"image": pa.array(images, IMAGE), **columns}), root / "files" / f"{part}.parquet")
    return [str(root / "files" / f"{part}.parquet") for part in PARTS]


def shards(root: Path, **parts: list[Row]) -> Source:
    for part, rows in parts.items():
        with tarfile.open(root / f"{part}.tar", "w") as archive:
            for seed, row in enumerate(rows):
                stem = row["image"].rpartition(".")[0]
                files = {row["image"]: png(seed)}
                files |= {f"{stem}.cls": str(row["label"] or "").encode()} if "label" in row else {}
                files |= {f"{stem}.txt": row["caption"].encode()} if "caption" in row else {}
                for name, data in files.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return Shards(*(str(root / f"{part}.tar") for part in PARTS))


TABLES: dict[str, Callable[..., Source]] = {
    "csv": text_table(".csv", ","),
    "tsv": text_table(".tsv", "\t"),
    "txt": text_table(".txt", "|"),
    "jsonl": json_table,
    "parquet of paths": parquet_table,
}
SOURCES: dict[str, Callable[..., Source]] = {
    **TABLES,
    "Parquet": lambda root, **parts: Parquet(*parquet_files(root, **parts)),
    "Shards": shards,
}
if find_spec("datasets"):
    SOURCES["Hub"] = lambda root, **parts: Hub(str(Path(parquet_files(root, **parts)[0]).parent))


def images(root: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        write(root / name, png(seed))
