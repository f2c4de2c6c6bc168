"""Two tiny runs, an owner's images, and servers in threads."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from PIL import Image

from unlearning_pl.commands.main import main
from unlearning_pl.data import Digits

FIT = (
    "fit --model SimCLR --model.backbone resnet9_slim --data.source Digits --data.source.train_size 48 "
    "--data.source.image_size 8 --data.batch_size 16 --trainer.accelerator cpu --trainer.enable_progress_bar false "
    "--trainer.max_epochs 1"
)
Serving = Callable[[HTTPServer], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs "original" and "after", trained from two seeds."""
    folder = tmp_path_factory.mktemp("made")
    for seed, name in enumerate(("original", "after")):
        assert main(f"{FIT} --run {folder}/{name} --seed_everything {seed}".split()) == 0
    return folder


@pytest.fixture(scope="session")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders "mine" (some images lie deeper) and "strange", of digits at twice the size that the runs take."""
    folder = tmp_path_factory.mktemp("owned")
    train, test = Digits(train_size=48, image_size=16).load()
    for name, images in (("mine", train.images[:9]), ("strange", test.images[:7])):
        (folder / name / "deeper").mkdir(parents=True)
        for row, image in enumerate(images):
            place = folder / name / ("deeper" if row % 3 == 0 else ".")
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / f"{row}.png")
    return folder


@pytest.fixture
def serving() -> Serving:
    """Run a server in a thread for the time of a block; its address is given."""

    @contextmanager
    def run(server: HTTPServer) -> Iterator[str]:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return run


@pytest.fixture
def noise() -> torch.Tensor:
    """Images ``(5, 8, 8, 3)`` uint8."""
    return torch.randint(256, (5, 8, 8, 3), dtype=torch.uint8)
