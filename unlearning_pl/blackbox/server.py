"""HTTP server of an encoder, by the protocol of docs/owner.md.

Each request has its own thread for reading and writing; a lock runs the model on one batch at a time. What strangers
send is bounded: the bodies that are held at one time, the JSON that is read at one time, the connections, and the time
that a request takes to arrive.
"""

import io
import json
import logging
import socket
import time
from contextlib import nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Lock
from typing import Any, NamedTuple

import torch
from torch import Tensor
from typing_extensions import override

from unlearning_pl.blackbox.deadline import DeadlineReader, read_steadily
from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.memory_budget import MemoryBudget
from unlearning_pl.blackbox.wire_protocol import (
    JSON,
    MAX_BYTES,
    MAX_JSON_BYTES,
    NPY,
    VERSION,
    Array,
    read_images,
    write_vectors,
)
from unlearning_pl.errors import InputError, require

_LOG = logging.getLogger(__name__)
_BODIES = 2 * MAX_BYTES + 8 * 2**20  # bytes of bodies at one time: two of the longest leave room for an owner's
_PATIENCE = 5.0  # seconds that a request waits for this room, before it is told that the server is busy
_PART, _STALL = 2**20, 5.0  # bytes of a body that must arrive in so many seconds, or its room goes to others
_FIRST = 2**16  # bytes of a body that arrive before it is given room: headers alone take none
_CONNECTIONS = 128  # at one time; each has a thread
_DRAIN = 2.0  # seconds to read and drop a body that is refused


class EmbeddingServer(ThreadingHTTPServer):
    """Serves one encoder until it is shut down.

    Args:
        encoder: The model, with a known number of dimensions.
        host: Host name or address to listen on; ``127.0.0.1`` accepts connections of this machine only.
        port: Port to listen on; 0 takes any free port.

    Raises:
        InputError: If the server cannot listen on this address.
    """

    def __init__(self, encoder: Encoder, host: str = "127.0.0.1", port: int = 8000) -> None:
        require(0 <= port < 2**16, f"Expected a port from 0 to {2**16 - 1}, got {port}. 0 takes any free port.")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.encoder, self.lock, self.parsing = encoder, Lock(), Lock()
        self.bodies, self._connections = MemoryBudget(_BODIES), BoundedSemaphore(_CONNECTIONS)
        try:
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"Expected an address to listen on, got {host} port {port} ({reason}). Choose another --host or --port."
            ) from error

    @property
    def address(self) -> str:
        """Address of the server, for the owner's client."""
        host, port = self.server_address[:2]
        host = host.decode() if isinstance(host, (bytes, bytearray)) else host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def embed(self, images: Array) -> Tensor:
        """Vectors ``(B, D)`` of images ``(B, H, W, 3)``; other requests take turns after each batch of the model."""
        vectors = []
        for start in range(0, len(images), self.encoder.batch):
            with self.lock:
                vectors.append(self.encoder(images[start : start + self.encoder.batch]))
        return torch.cat(vectors)

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            try:
                return super().process_request(request, client_address)
            except BaseException:  # no thread could be started
                self._connections.release()
                raise
        with suppress(OSError):
            request.settimeout(1.0)
            request.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return self.shutdown_request(request)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.info("the connection to %s broke", client_address, exc_info=True)


class _Response(NamedTuple):
    status: int
    content_type: str
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    """Handles one connection."""

    server: EmbeddingServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds from the wait for a request to the last byte of its body, and for a response

    @override
    def version_string(self) -> str:
        return "unlearning-pl"

    @override
    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._reader = DeadlineReader(self.connection, 0.0)
        self.rfile = io.BufferedReader(self._reader, 2**16)

    @override
    def handle_one_request(self) -> None:
        self._reader.deadline = time.monotonic() + self.timeout
        super().handle_one_request()

    def do_GET(self) -> None:
        """Respond with a description of the model."""
        lengths = self.headers.get_all("Content-Length") or ["0"]
        if {*lengths} != {"0"} or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # a body would be read as the next request
        self._send(self._describe() if self.path == "/" else self._not_found())

    def do_HEAD(self) -> None:
        """Respond with the headers of GET."""
        self.do_GET()

    def do_POST(self) -> None:
        """Respond to images with their vectors."""
        stated, kind = self.headers.get("Content-Length", ""), self.headers.get_content_type()
        several = len({*(self.headers.get_all("Content-Length") or ())}) > 1  # which one holds is anybody's guess
        known = stated.isascii() and stated.isdecimal() and not (several or self.headers.get("Transfer-Encoding"))
        length = int(stated) if known and len(stated) <= 20 else MAX_BYTES + 1
        most = MAX_JSON_BYTES if kind == JSON else MAX_BYTES
        if self.path != "/embed":
            self._refuse(self._not_found(), length)
        elif not known:
            message = "Expected one Content-Length, got none or several. Send the body without chunked encoding."
            self._refuse(_error_response(411, message), length)
        elif length > most:
            message = f"Expected at most {most} bytes of {kind}, got more. Send fewer images at a time."
            self._refuse(_error_response(413, message), length)
        else:
            self._receive(length)

    def _receive(self, length: int) -> None:
        """Read a body within the bound on all bodies, and respond."""
        try:
            first = read_steadily(self.rfile, self._reader, min(length, _FIRST), _PART, _STALL)
            with self.server.bodies.reserve(length, _PATIENCE) as granted:
                if not granted:
                    busy = _error_response(503, "Expected a free server, got a busy one. Try again.")
                    self._refuse(busy, length - len(first))
                    return
                rest = read_steadily(self.rfile, self._reader, length - len(first), _PART, _STALL)
                response = self._embed(first + rest, length)
        except TimeoutError:
            self.close_connection = True
            pace = f"Expected {length} bytes within {self.timeout} s, and {_PART} in {_STALL:g} s, got fewer."
            response = _error_response(408, pace)
        self._send(response)

    def _refuse(self, response: _Response, length: int) -> None:
        """Respond before the body is read; closing a connection with unread bytes would destroy the response."""
        self.close_connection = True
        self._send(response)
        self._reader.deadline = time.monotonic() + _DRAIN
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while length > 0 and (part := self.rfile.read1(2**16)):
                length -= len(part)

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True
        self._send(_error_response(code, message or "Expected GET / or POST /embed, got something else."))

    @override
    def log_message(self, format: str, *args: Any) -> None:
        _LOG.info(format, *args)

    def _describe(self) -> _Response:
        encoder = self.server.encoder
        description = {
            "protocol": VERSION,
            "name": encoder.name,
            "image_size": list(encoder.image_size),
            "dimensions": encoder.dimensions,
        }
        return _Response(200, JSON, json.dumps(description).encode())

    def _not_found(self) -> _Response:
        return _error_response(404, "Expected GET / or POST /embed, got another path. Correct the address.")

    def _embed(self, body: bytes, length: int) -> _Response:
        encoder, content_type = self.server.encoder, self.headers.get_content_type()
        accepted = self.headers.get("Accept", "")
        response_type = next((kind for kind in (NPY, JSON) if kind in accepted), content_type)
        try:
            require(len(body) == length, f"Expected {length} bytes, got {len(body)}. Send the whole body.")
            with self.server.parsing if content_type == JSON else nullcontext():
                images = read_images(body, content_type if "Content-Type" in self.headers else "", encoder.image_size)
        except InputError as error:
            return _error_response(400, str(error))
        try:
            vectors = self.server.embed(images)
        except Exception as error:  # a failing model must not stop the server
            _LOG.exception("the model failed")
            return _error_response(500, str(error) if isinstance(error, InputError) else "The model failed.")
        return _Response(200, response_type, write_vectors(vectors.numpy(), response_type))

    def _send(self, response: _Response) -> None:
        self.connection.settimeout(self.timeout)  # reading has changed it
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if response.status == 503:
            self.send_header("Retry-After", "1")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


def _error_response(status: int, message: str) -> _Response:
    return _Response(status, JSON, json.dumps({"error": message}).encode())
