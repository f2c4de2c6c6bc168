"""A real server over loopback gives what the model gives, and answers what is not asked properly."""

import base64
import http.client
import io
import json
import shlex
import signal
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.server import HTTPServer
from pathlib import Path
from threading import Event, get_ident
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unlearning_pl.blackbox import EmbeddingServer, Encoder, client, open_encoder
from unlearning_pl.blackbox import server as server_module
from unlearning_pl.blackbox.memory_budget import MemoryBudget
from unlearning_pl.blackbox.wire_protocol import JSON, MAX_BYTES, MAX_JSON_BYTES, NPY, write_array
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
    offered = shlex.split(process.stdout.readline().removeprefix("Next: unlearning-pl "))
    assert offered == ["owner", "--before", "BEFORE", "--after", address, "--images", "FOLDER"]
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


def raw_request(address: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send ``parts`` with a pause before each, and read until the server closes the connection."""
    found = b""
    with socket.create_connection((urlsplit(address).hostname, urlsplit(address).port or 0), timeout=20) as connection:
        with suppress(OSError):
            for part in parts:
                time.sleep(pause)
                connection.sendall(part)
        with suppress(OSError):
            while part := connection.recv(2**16):
                found += part
    return found


def head(length: int, kind: str = NPY) -> bytes:
    return f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def means(embed: Callable[[Tensor], Tensor] = lambda images: images.float().mean(dim=(1, 2))) -> EmbeddingServer:
    return EmbeddingServer(Encoder("means", embed, (8, 8), 2, dimensions=3), port=0)


ONE = write_array(np.ones((1, 8, 8, 3), np.uint8))


def test_json_has_a_bound_of_its_own_and_is_refused_before_it_is_read(serving: Serving) -> None:
    with serving(means()) as address:
        body = b'{"images": [' + b"1," * 2**24 + b"1]}"
        for sent in (b"", body):  # a client that sends all before it listens can do so, and gets the answer
            where = urlsplit(address).hostname, urlsplit(address).port or 0
            with socket.create_connection(where, timeout=20) as connection:
                connection.sendall(head(len(body), JSON) + sent)
                answer = b""
                while part := connection.recv(2**16):
                    answer += part
            assert answer.startswith(b"HTTP/1.1 413")
            assert f"at most {MAX_JSON_BYTES} bytes of {JSON}".encode() in answer


def test_a_server_without_room_is_busy_and_the_owner_asks_again(
    serving: Serving, noise: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_PATIENCE", 0.05)
    server = means()
    server.bodies = MemoryBudget(len(write_array(noise.numpy())))
    with serving(server) as address:
        with server.bodies.reserve(1, 0.0):
            answer = raw_request(address, head(len(write_array(noise.numpy()))) + write_array(noise.numpy()))
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"Retry-After: 1" in answer
            assert ask(address, "POST", "/embed", ONE, Content_Type=NPY)[0] == 200  # a small one finds room
            monkeypatch.setattr(client, "RETRY_DELAYS", (0.01, 0.01))
            with pytest.raises(InputError, match=r"status 503 .*busy"):
                open_encoder(address)(noise)
        assert open_encoder(address)(noise).shape == (5, 3)


@pytest.mark.parametrize(
    "parts",
    [
        [b"G"] * 100,
        [b"GET / HTTP/1.1\r\n", *[b"X: a\r\n"] * 90],
        [head(1000), *[b"a"] * 100],
        [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", *[b"G"] * 100],
        [],
    ],
)
def test_a_slow_sender_is_left_in_time(parts: list[bytes], serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module._Handler, "timeout", 0.2)
    server = means()
    with serving(server) as address:
        start = time.monotonic()
        answer = raw_request(address, *parts, pause=0.03)
        assert time.monotonic() - start < 6
        assert (b"HTTP/1.1 408" in answer) == (parts[:1] == [head(1000)])
        assert server.bodies._free == server_module._BODIES
        assert ask(address, "POST", "/embed", ONE, Content_Type=NPY)[0] == 200


def test_more_connections_than_there_is_room_for_are_told_so(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_CONNECTIONS", 2)
    server = means()
    with serving(server) as address:
        where = urlsplit(address).hostname, urlsplit(address).port or 0
        for _ in range(2):  # the second time shows that the first were given back
            with socket.create_connection(where) as first, socket.create_connection(where) as second:
                for held in (first, second):
                    held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert held.recv(12) == b"HTTP/1.1 200"
                assert raw_request(address).startswith(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n")
            for _ in range(200):
                if server._connections._value == 2:
                    break
                time.sleep(0.05)
            else:
                pytest.fail("the connections were not given back")


def test_a_long_request_gives_way_after_each_batch(serving: Serving) -> None:
    order: list[int] = []
    waiting, go_on = Event(), Event()

    def embed(images: Tensor) -> Tensor:
        order.append(int(images[0, 0, 0, 0]))
        if len(order) == 1:
            waiting.set()
            go_on.wait(20)
        time.sleep(0.02)  # the other request stands at the lock
        return images.float().mean(dim=(1, 2))

    server = means(embed)
    with serving(server) as address, ThreadPoolExecutor(2) as pool:
        long = pool.submit(
            ask, address, "POST", "/embed", write_array(np.ones((40, 8, 8, 3), np.uint8)), Content_Type=NPY
        )
        assert waiting.wait(20)
        short = pool.submit(
            ask, address, "POST", "/embed", write_array(np.full((1, 8, 8, 3), 2, np.uint8)), Content_Type=NPY
        )
        time.sleep(0.3)
        go_on.set()
        assert long.result()[0] == short.result()[0] == 200
    assert sorted(order) == [1] * 20 + [2]
    assert order[-1] == 1


def test_bodies_that_are_no_images_take_little_memory_together(serving: Serving) -> None:
    body = b'{"images": [' + b"{}," * (MAX_JSON_BYTES // 48) + b"1]}"
    with serving(means()) as address, ThreadPoolExecutor(4) as pool:
        tracemalloc.start()
        try:
            answers = list(pool.map(lambda _: ask(address, "POST", "/embed", body, Content_Type=JSON)[0], range(4)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answers == [400] * 4
    assert peak < 4 * len(body) + 40 * len(body)  # one is parsed at a time: four would take 130 times a body
