"""A real server over loopback gives what the model gives, and answers what is not asked properly."""

import base64
import http.client
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from http.server import HTTPServer
from pathlib import Path
from threading import get_ident
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unlearning_pl.blackbox import EmbeddingServer, Encoder, open_encoder
from unlearning_pl.blackbox.wire_protocol import JSON, MAX_BYTES, NPY, write_array
from unlearning_pl.cli.command_parser import parse_args
from unlearning_pl.commands.serve import serve_parser
from unlearning_pl.errors import InputError

Serving = Callable[[HTTPServer], AbstractContextManager[str]]


@pytest.fixture
def served(made: Path, serving: Serving) -> Iterator[str]:
    encoder = open_encoder(str(made / "after"))
    with serving(EmbeddingServer(encoder, port=0)) as address:
        yield address


def ask(address: str, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.headers.get_content_type(), answer.read()
    connection.close()
    return found


def as_png(images: Tensor) -> list[str]:
    texts = []
    for image in images.numpy():
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, format="PNG")
        texts.append(base64.b64encode(stream.getvalue()).decode())
    return texts


def test_a_served_run_equals_the_local_one(served: str, made: Path, noise: Tensor) -> None:
    local, remote = open_encoder(str(made / "after")), open_encoder(served)
    assert (remote.image_size, remote.dimensions) == (local.image_size, local.dimensions)
    torch.testing.assert_close(remote(noise), local(noise), rtol=0, atol=1e-6)
    remote.batch = 2
    torch.testing.assert_close(remote(noise), local(noise), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("sent", "accepted", "answered"), [(JSON, JSON, JSON), (JSON, NPY, NPY), (NPY, JSON, JSON), (NPY, "*/*", NPY)]
)
def test_each_kind_is_answered_in_the_kind_that_is_accepted(
    sent: str, accepted: str, answered: str, served: str, made: Path, noise: Tensor
) -> None:
    body = write_array(noise.numpy()) if sent == NPY else json.dumps({"images": as_png(noise)}).encode()
    status, kind, answer = ask(served, "POST", "/embed", body, Content_Type=sent, Accept=accepted)
    assert (status, kind) == (200, answered)
    vectors = np.load(io.BytesIO(answer)) if answered == NPY else np.array(json.loads(answer)["vectors"], np.float32)
    assert vectors.dtype == np.float32
    expected = open_encoder(str(made / "after"))(noise)
    torch.testing.assert_close(torch.from_numpy(vectors), expected, rtol=0, atol=1e-6)


def test_lists_of_numbers_are_images_too(served: str, made: Path, noise: Tensor) -> None:
    body = json.dumps({"images": noise.tolist()}).encode()
    _, _, answer = ask(served, "POST", "/embed", body, Content_Type=JSON)
    expected = open_encoder(str(made / "after"))(noise)
    torch.testing.assert_close(torch.tensor(json.loads(answer)["vectors"]), expected, rtol=0, atol=1e-6)


def test_it_says_what_it_is(served: str, made: Path) -> None:
    status, kind, body = ask(served, "GET", "/")
    told = {"protocol": 1, "name": str(made / "after"), "image_size": [8, 8], "dimensions": 128}
    assert (status, kind, json.loads(body)) == (200, JSON, told)
    assert ask(served, "HEAD", "/") == (200, JSON, b"")


def test_requests_wait_for_one_another_and_are_not_mixed_up(serving: Serving) -> None:
    inside: set[int] = set()

    def embed(images: Tensor) -> Tensor:
        assert not inside
        inside.add(get_ident())
        vectors = images.float().mean(dim=(1, 2))
        inside.discard(get_ident())
        return vectors

    with serving(EmbeddingServer(Encoder("means", embed, (8, 8), dimensions=3), port=0)) as address:

        def one(value: int) -> float:
            images = np.full((2, 8, 8, 3), value, np.uint8)
            _, _, answer = ask(address, "POST", "/embed", write_array(images), Content_Type=NPY, Accept=NPY)
            return float(np.load(io.BytesIO(answer)).mean())

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(one, range(24))) == list(map(float, range(24)))


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "message"),
    [
        ("GET", "/etc/passwd", {}, 404, "another path"),
        ("GET", "/../..", {}, 404, "another path"),
        ("GET", "/embed", {}, 404, "POST /embed"),
        ("POST", "/", {"body": b"{}"}, 404, "another path"),
        ("PUT", "/embed", {"body": b"{}"}, 501, "PUT"),
        ("POST", "/embed", {"body": b"{}", "Content_Type": JSON}, 400, "images"),
        ("POST", "/embed", {"body": b"{}"}, 400, "Content-Type"),
        ("POST", "/embed", {"body": b"{}", "Content_Type": "text/html"}, 400, "Content-Type"),
        ("POST", "/embed", {"body": write_array(np.zeros((1, 9, 9, 3), np.uint8)), "Content_Type": NPY}, 400, "8, 8"),
        ("POST", "/embed", {"Content_Length": str(MAX_BYTES + 1)}, 413, "fewer images"),
        ("POST", "/embed", {"Content_Length": "9" * 5000}, 413, "fewer images"),
        ("POST", "/embed", {"Content_Length": "-1"}, 411, "Content-Length"),
        ("POST", "/embed", {"Content_Length": "many"}, 411, "Content-Length"),
        ("POST", "/embed", {"Transfer_Encoding": "chunked"}, 411, "Content-Length"),
    ],
)
def test_what_is_not_asked_properly_is_told(
    method: str, path: str, options: dict[str, Any], status: int, message: str, served: str
) -> None:
    answered, kind, body = ask(served, method, path, **options)
    assert (answered, kind) == (status, JSON)
    assert message in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("answer", "message"), [(torch.full((5, 3), torch.nan), "NaN"), (None, "one vector per image"), ("raise", "fails")]
)
def test_a_model_that_fails_is_no_end_of_the_server(
    answer: object, message: str, serving: Serving, noise: Tensor
) -> None:
    def embed(images: Tensor) -> object:
        if isinstance(answer, str):
            raise RuntimeError("out of order")
        return answer

    with serving(EmbeddingServer(Encoder("bad", embed, (8, 8), dimensions=3), port=0)) as address:
        for _ in range(2):
            status, _, body = ask(address, "POST", "/embed", write_array(noise.numpy()), Content_Type=NPY)
            assert status == 500
            assert message in json.loads(body)["error"]


def test_a_connection_that_breaks_is_no_end_of_the_server(served: str) -> None:
    for _ in range(2):
        connection = http.client.HTTPConnection(urlsplit(served).netloc)
        connection.putrequest("POST", "/embed")
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"half of")
        connection.close()
    assert ask(served, "GET", "/")[0] == 200


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", -1), ("127.0.0.1", 65536), ("no.such.host.invalid", 0)])
def test_a_place_where_nothing_can_listen_is_told(host: str, port: int) -> None:
    with pytest.raises(InputError, match=r"Expected a(n address| port)"):
        EmbeddingServer(Encoder("means", lambda images: images, (8, 8), dimensions=3), host, port)


def test_a_port_in_use_is_told(served: str) -> None:
    port = urlsplit(served).port or 0
    with pytest.raises(InputError, match=r"port .* in use"):
        EmbeddingServer(Encoder("means", lambda images: images, (8, 8), dimensions=3), port=port)


def test_the_command_serves_until_it_is_interrupted(made: Path, noise: Tensor) -> None:
    # A process that is started in the background of a shell is deaf to SIGINT, and so are its children.
    main = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    main += "from unlearning_pl.commands.main import main; sys.exit(main())"
    words = [sys.executable, "-c", main, "serve", "--run", f"{made}/after", "--port", "0", "--batch", "2"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = next(word for word in process.stdout.readline().split() if word.startswith("http://"))
    told = json.loads(ask(address, "GET", "/")[2])
    assert told["name"] == "after"  # and nothing of the path to it
    local = open_encoder(str(made / "after"))(noise)
    torch.testing.assert_close(open_encoder(address)(noise), local, rtol=0, atol=1e-5)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.strip() == "Stopped."
    assert "Traceback" not in said
    assert "--ckpt_path" not in said


@pytest.mark.parametrize("option", ["run", "model"])
def test_the_model_to_serve_is_an_option_with_two_names(option: str, tmp_path: Path) -> None:
    config = tmp_path / "serve.yaml"
    config.write_text(f"{option}: runs/unlearned\nport: 0\n")
    for words in ([f"--{option}", "runs/unlearned"], [f"--{option}=runs/unlearned"], ["--config", str(config)]):
        assert parse_args(serve_parser(), words).run == "runs/unlearned"
