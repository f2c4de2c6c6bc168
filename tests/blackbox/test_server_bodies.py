"""Room for bodies goes to those who send them, and no byte is read as part of another request."""

import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import HTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest
from torch import Tensor

from unlearning_pl.blackbox import EmbeddingServer, Encoder, open_encoder
from unlearning_pl.blackbox import server as server_module
from unlearning_pl.blackbox.wire_protocol import MAX_BYTES, NPY, write_array

Serving = Callable[[HTTPServer], AbstractContextManager[str]]
ONE = write_array(np.ones((1, 8, 8, 3), np.uint8))


def means() -> EmbeddingServer:
    return EmbeddingServer(Encoder("means", lambda images: images.float().mean(dim=(1, 2)), (8, 8), 2, 3), port=0)


def connect(address: str) -> socket.socket:
    return socket.create_connection((urlsplit(address).hostname, urlsplit(address).port or 0), timeout=20)


def post(length: int, more: str = "") -> bytes:
    head = f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: {NPY}\r\nContent-Length: {length}\r\n{more}\r\n"
    return head.encode()


def test_headers_alone_take_no_room(serving: Serving, noise: Tensor) -> None:
    server = means()
    with serving(server) as address:
        held = [connect(address) for _ in range(4)]
        for one in held:
            one.sendall(post(MAX_BYTES))  # together more than the server holds
        assert open_encoder(address)(noise).shape == (5, 3)
        assert server.bodies._free == server_module._BODIES
        for one in held:
            one.close()


def test_a_body_that_stalls_gives_its_room_back(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_STALL", 0.2)
    server = means()
    with serving(server) as address, connect(address) as connection:
        start = time.monotonic()
        connection.sendall(post(MAX_BYTES) + b"a" * 2**17)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - start < 10
        assert server.bodies._free == server_module._BODIES


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("more", ["Content-Length: 30", "Transfer-Encoding: chunked"])
def test_the_body_of_a_get_is_no_request(method: str, more: str, serving: Serving) -> None:
    with serving(means()) as address, connect(address) as connection:
        connection.sendall(f"{method} / HTTP/1.1\r\nHost: x\r\n{more}\r\n\r\nGET /other HTTP/1.1\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(2**16):
            answer += part
        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.startswith(b"HTTP/1.1 200")


def test_two_lengths_are_refused(serving: Serving) -> None:
    with serving(means()) as address, connect(address) as connection:
        connection.sendall(post(len(ONE), "Content-Length: 3\r\n") + ONE)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 411")
