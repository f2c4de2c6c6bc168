"""Servers that are dead, slow or wrong: each is one clear line."""

import itertools
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from torch import Tensor

from unlearning_pl.blackbox import client, open_encoder
from unlearning_pl.blackbox.client import connect
from unlearning_pl.blackbox.wire_protocol import JSON, NPY, read_array, write_array
from unlearning_pl.errors import InputError

Serving = Callable[[HTTPServer], AbstractContextManager[str]]
TOLD = {"protocol": 1, "name": "stranger", "image_size": [8, 8], "dimensions": 3}


class Stranger(ThreadingHTTPServer):
    """Answers what a test wants: (status, headers, body) by path, one after the other, the last one for ever."""

    def __init__(self, **answers: list[tuple[int, dict[str, str], bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {"/": answers.get("root", [(200, {"Content-Type": JSON}, json.dumps(TOLD).encode())])}
        self.answers["/embed"] = answers.get("embed", [])
        self.asked: list[tuple[str, bytes]] = []
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.pause = 0.0

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody did not wait."""


class Handler(BaseHTTPRequestHandler):
    server: Stranger

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.path, body))
        self.server.heard.append((self.path, dict(self.headers), body))
        left = self.server.answers[self.path]
        status, headers, answer = left.pop(0) if len(left) > 1 else left[0]
        time.sleep(self.server.pause)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815  the name that the standard library calls

    def log_message(self, format: str, *args: object) -> None:
        pass


def vectors(array: np.ndarray) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": NPY}, write_array(array)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_DELAYS", (0.01, 0.01))


GOOD = vectors(np.arange(15, dtype=np.float32).reshape(5, 3))


def test_images_arrive_as_they_are_and_vectors_in_any_kind(serving: Serving, noise: Tensor) -> None:
    listed = json.dumps({"vectors": np.arange(15).reshape(5, 3).tolist()}).encode()
    stranger = Stranger(embed=[GOOD, (200, {"Content-Type": f"{JSON}; charset=utf-8"}, listed)])
    with serving(stranger) as address:
        encoder = open_encoder(f"{address}/")
        for _ in range(2):
            torch.testing.assert_close(encoder(noise), torch.arange(15.0).view(5, 3))
    assert [path for path, _ in stranger.asked] == ["/", "/embed", "/embed"]
    np.testing.assert_array_equal(read_array(stranger.asked[1][1]), noise.numpy())


def test_large_images_go_in_several_requests(serving: Serving, monkeypatch: pytest.MonkeyPatch, noise: Tensor) -> None:
    monkeypatch.setattr(client, "MAX_REQUEST_BYTES", 2 * 8 * 8 * 3)
    parts = [vectors(np.ones((rows, 3))) for rows in (2, 2, 1)]
    with serving(Stranger(embed=parts)) as address:
        assert connect(address)(noise).shape == (5, 3)


def test_a_busy_server_is_asked_again(serving: Serving, noise: Tensor) -> None:
    busy = (503, {}, b"")
    stranger = Stranger(embed=[busy, busy, GOOD])
    with serving(stranger) as address:
        assert connect(address)(noise).shape == (5, 3)
    with serving(Stranger(embed=[busy])) as address, pytest.raises(InputError, match="status 503"):
        connect(address)(noise)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (vectors(np.ones((4, 3))), r"\(5, D\), from http://127.*got \(4, 3\)"),
        (vectors(np.ones((5, 4))), "vectors of 3 dimensions from http://127.*got 4"),
        (vectors(np.ones((5, 3, 1))), "sent no vectors"),
        (vectors(np.full((5, 3), np.nan)), "got NaN or infinity"),
        ((200, {"Content-Type": JSON}, b'{"vectors": [[1, 2, NaN], [1], 2]}'), "sent no vectors"),
        ((200, {"Content-Type": JSON}, b'{"vectors": [[NaN, 1, 2]]}'), r"got \(1, 3\)"),
        ((200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "sent no vectors.*text/html"),
        ((200, {"Content-Type": NPY}, b"<html>Sign in</html>"), "sent no vectors"),
        (
            (200, {"Content-Type": NPY, "Content-Length": "999"}, write_array(np.ones((5, 3)))),
            "got 248 bytes of at least 999",
        ),
        ((500, {}, b"<html>\x1b[31mbroken</html>"), r"status 500 \(Internal Server Error\)"),
        (
            (400, {}, json.dumps({"error": "no\x1b[2J more\nimages"}).encode()),
            r"status 400 \(no\\x1b\[2J more\\nimages\)",
        ),
        ((401, {}, b""), "status 401"),
        ((302, {"Location": "http://elsewhere.invalid/"}, b""), "redirect to http://elsewhere.invalid/"),
        ((308, {"Location": "/other"}, b""), "redirect to /other"),
    ],
)
def test_an_answer_that_is_no_vectors_is_told(
    answer: tuple[int, dict[str, str], bytes], message: str, serving: Serving, noise: Tensor
) -> None:
    with serving(Stranger(embed=[answer])) as address, pytest.raises(InputError, match=message) as told:
        connect(address)(noise)
    assert str(told.value).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"protocol": 2, "image_size": [8, 8], "dimensions": 3}',
        b'{"protocol": 1, "image_size": [8], "dimensions": 3}',
        b'{"protocol": 1, "image_size": [8, "8"], "dimensions": 3}',
        b'{"protocol": 1, "image_size": [8, 100000000], "dimensions": 3}',
        b'{"protocol": 1, "image_size": 8, "dimensions": 3}',
        b'{"protocol": 1, "image_size": [8, 8], "dimensions": null}',
        b'{"protocol": 1, "image_size": [8, 8], "dimensions": true}',
        b"[" * 10_000,
    ],
)
def test_a_server_of_another_protocol_is_told(body: bytes, serving: Serving) -> None:
    stranger = Stranger(root=[(200, {"Content-Type": JSON}, body)])
    with serving(stranger) as address, pytest.raises(InputError, match="version 1 of the protocol"):
        connect(address)


def test_a_server_that_does_not_say_its_size_needs_one(serving: Serving) -> None:
    body = json.dumps(TOLD | {"image_size": None}).encode()
    with serving(Stranger(root=[(200, {"Content-Type": JSON}, body)])) as address:
        assert connect(address, image_size=8).image_size == (8, 8)
        with pytest.raises(InputError, match="`image_size`"):
            connect(address)


def test_a_slow_server_is_told_after_the_time_and_not_asked_again(serving: Serving) -> None:
    stranger = Stranger()
    stranger.pause = 1.0
    with serving(stranger) as address:
        start = time.monotonic()
        with pytest.raises(InputError, match=r"within 0\.2 s, got none"):
            connect(address, timeout=0.2)
        assert time.monotonic() - start < 0.9
    assert len(stranger.asked) == 1


def test_an_answer_without_end_is_cut(serving: Serving, noise: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_JSON_BYTES", 1000)
    with serving(Stranger(embed=[(200, {}, bytes(2000))])) as address, pytest.raises(InputError, match="longer one"):
        connect(address)(noise)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9", "no response .*refused"),
        ("http://no.such.host.invalid", "no response"),
        ("http://", "an address such as"),
        ("http://host:port", "an address such as"),
        ("http://host:99999", "an address such as"),
        ("http://[::1", "an address such as"),
        ("http://a..b", "no response"),
        ("http://host/?q=1", "an address such as"),
        ("https://127.0.0.1:9", "no response"),
    ],
)
def test_an_address_without_a_server_is_told(address: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_encoder(address, timeout=5)


@pytest.mark.parametrize("address", ["http://me:secret@host", "https://secret@host:1/x", "http://me:secret/@host:port"])
def test_a_password_in_an_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InputError, match="without user and password") as told:
        open_encoder(address)
    assert "secret" not in str(told.value)


def test_no_proxy_of_the_environment_gets_the_images(
    serving: Serving, noise: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Stranger(embed=[GOOD])
    with serving(Stranger(embed=[GOOD])) as address, serving(proxy) as between:
        monkeypatch.setenv("http_proxy", between)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        connect(address)(noise)
    assert proxy.asked == []


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(timeout: float) -> None:
    with pytest.raises(InputError, match="timeout > 0"):
        open_encoder("http://127.0.0.1:9", timeout=timeout)


@contextmanager
def raw(parts: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """A server that sends ``parts`` as they are, with a pause before each, to everybody who connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(2**16)
                        for part in parts:
                            time.sleep(pause)
                            connection.sendall(part)

        thread = Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SLOW = {
    "status line": itertools.repeat(b"H", 200),
    "headers": itertools.chain([OK, b"X: "], itertools.repeat(b"a", 200)),
    "many headers": itertools.chain([OK], itertools.repeat(b"X: a\r\n", 90)),
    "continue": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 200),
    "body": itertools.chain([OK + b"Content-Length: 500\r\n\r\n"], itertools.repeat(b" ", 500)),
    "body until the end": itertools.chain([OK + b"\r\n"], itertools.repeat(b" ", 500)),
    "chunks": itertools.chain([OK + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\n \r\n", 500)),
    "size of a chunk": itertools.chain([OK + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"0", 500)),
}


@pytest.mark.parametrize("what", SLOW)
def test_the_time_is_that_of_the_whole_response(what: str) -> None:
    with raw(SLOW[what], pause=0.03) as address:
        start = time.monotonic()
        with pytest.raises(InputError, match=r"within 0\.3 s, got none"):
            connect(address, timeout=0.3)
        assert time.monotonic() - start < 2  # and not the 6 s that the parts take


@pytest.mark.parametrize("what", ["continue", "chunks"])
def test_what_comes_at_once_and_never_ends_is_cut_as_well(what: str) -> None:
    endless = itertools.repeat({"continue": b"HTTP/1.1 100 Continue\r\n\r\n", "chunks": b"1\r\n \r\n"}[what] * 100)
    start = [OK + b"Transfer-Encoding: chunked\r\n\r\n"] if what == "chunks" else []
    with raw(itertools.chain(start, endless)) as address, pytest.raises(InputError, match=r"within 0\.3 s|longer one"):
        connect(address, timeout=0.3)


@pytest.mark.parametrize("takes", ["nothing", "a little at a time"])
def test_a_server_that_does_not_take_the_images_is_left_in_time(takes: str) -> None:
    images = torch.zeros(100, 300, 300, 3, dtype=torch.uint8)  # more than the system keeps for a reader

    def take(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            while connection.recv(2**16):
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=take, args=(listener,), daemon=True)
        if takes != "nothing":
            thread.start()
        start = time.monotonic()
        with pytest.raises(InputError, match=r"within 0\.3 s, got none"):
            client.Server(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.3).embed(images)
        assert time.monotonic() - start < 2  # and not the 4 s that the images take
    if takes != "nothing":
        thread.join(5)


def test_a_request_states_the_length_of_its_body_and_has_none_without_images(serving: Serving, noise: Tensor) -> None:
    stranger = Stranger(embed=[GOOD])
    with serving(stranger) as address:
        connect(address)(noise)
    (_, described, _), (_, embedded, body) = stranger.heard
    assert not {"content-length", "transfer-encoding"} & {name.lower() for name in described}
    assert embedded["Content-Length"] == str(len(body)) == str(len(write_array(noise.numpy())))
    assert embedded["Content-Type"] == embedded["Accept"] == NPY


WHOLE = json.dumps(TOLD).encode()


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (OK + b"Content-Length: %d\r\n\r\n" % (len(WHOLE) + 1) + WHOLE, "got 74 bytes of at least 75"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(WHOLE) + WHOLE + b"\r\n", "got 74 bytes of at least"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(WHOLE) + 1) + WHOLE, "whole response"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "whole response"),
        (OK + b"Content-Length: 99999999999999\r\n\r\n" + WHOLE, "got 74 bytes of at least 99999999999999"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n", "got more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2**17 + b"\r\n\r\n", "header line"),
        (b"\x16\x03\x01\x02\x00", "no response"),
        (b"", "no response"),
    ],
)
def test_half_a_response_is_refused(response: bytes, message: str) -> None:
    with raw([response]) as address, pytest.raises(InputError, match=message) as told:
        connect(address, timeout=5)
    assert str(told.value).isprintable()


def test_a_whole_response_in_chunks_is_read() -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (WHOLE[:10], WHOLE[10:]))
    with raw([OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"]) as address:
        assert connect(address).image_size == (8, 8)


@pytest.mark.parametrize("size", [[65536, 65536], [4730, 4730], [1, 65536 * 400]])
def test_an_image_size_that_no_request_can_hold_is_refused(size: list[int], serving: Serving) -> None:
    body = json.dumps(TOLD | {"image_size": size}).encode()
    message = (
        "version 1 of the protocol" if max(size) > 65536 else "at most 67108864 bytes.*got 4730x4730|got 65536x65536"
    )
    with (
        serving(Stranger(root=[(200, {"Content-Type": JSON}, body)])) as address,
        pytest.raises(InputError, match=message),
    ):
        connect(address)


def test_a_request_asks_for_no_more_vectors_than_json_can_hold(serving: Serving) -> None:
    body = json.dumps(TOLD | {"dimensions": 65536}).encode()
    with serving(Stranger(root=[(200, {"Content-Type": JSON}, body)])) as address:
        assert connect(address).batch == 8
