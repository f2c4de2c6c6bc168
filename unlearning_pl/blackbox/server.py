"""A server that answers images with vectors, by the protocol of docs/owner.md.

Each request has a thread of its own, which reads and writes; the model looks at one of them at a time.
"""

import json
import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, NamedTuple

from typing_extensions import override

from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.wire_protocol import JSON, LARGEST, NPY, VERSION, read_images, write_vectors
from unlearning_pl.errors import InputError, require

_LOG = logging.getLogger(__name__)


class EmbeddingServer(ThreadingHTTPServer):
    """Serves one encoder until it is shut down.

    Args:
        encoder: The model, with the number of its dimensions known.
        host: Name or address to listen at; ``127.0.0.1`` for this machine alone.
        port: Port to listen at; 0 takes any that is free.

    Raises:
        InputError: If nothing can listen there.
    """

    def __init__(self, encoder: Encoder, host: str = "127.0.0.1", port: int = 8000) -> None:
        require(0 <= port < 2**16, f"Expected a port from 0 to {2**16 - 1}, got {port}. 0 takes any that is free.")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.encoder, self.lock = encoder, Lock()
        try:
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"Expected a place to listen at, got {host} port {port} ({reason}). Choose another --host or --port."
            ) from error

    @property
    def address(self) -> str:
        """Where it listens, as an owner gives it."""
        host, port = self.server_address[:2]
        host = host.decode() if isinstance(host, (bytes, bytearray)) else host
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        _LOG.info("the connection to %s broke", client_address, exc_info=True)


class _Answer(NamedTuple):
    status: int
    kind: str
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: EmbeddingServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds of silence after which a connection is given up

    @override
    def version_string(self) -> str:
        return "unlearning-pl"

    def do_GET(self) -> None:
        """Say what model this is."""
        self._send(self._description() if self.path == "/" else self._nowhere())

    def do_HEAD(self) -> None:
        """Say that it is there."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answer images with vectors."""
        if self.path != "/embed":
            self.close_connection = True  # what was sent with it is not read
            self._send(self._nowhere())
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(_mistake(411, "Expected a Content-Length, got none. Send the body in one piece."))
        elif len(length) > 20 or int(length) > LARGEST:
            self.close_connection = True
            self._send(_mistake(413, f"Expected at most {LARGEST} bytes, got more. Send fewer images at a time."))
        else:
            self._send(self._embedded(self.rfile.read(int(length)), int(length)))

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True
        self._send(_mistake(code, message or "Expected GET / or POST /embed, got something else."))

    @override
    def log_message(self, format: str, *args: Any) -> None:
        _LOG.info(format, *args)

    def _description(self) -> _Answer:
        encoder = self.server.encoder
        told = {
            "protocol": VERSION,
            "name": encoder.name,
            "image_size": list(encoder.image_size),
            "dimensions": encoder.dimensions,
        }
        return _Answer(200, JSON, json.dumps(told).encode())

    def _nowhere(self) -> _Answer:
        return _mistake(404, "Expected GET / or POST /embed, got another path. Correct the address.")

    def _embedded(self, body: bytes, length: int) -> _Answer:
        encoder, sent = self.server.encoder, self.headers.get_content_type()
        accepted = self.headers.get("Accept", "")
        wanted = next((kind for kind in (NPY, JSON) if kind in accepted), sent)
        try:
            require(len(body) == length, f"Expected {length} bytes, got {len(body)}. Send the whole body.")
            images = read_images(body, sent if "Content-Type" in self.headers else "", encoder.image_size)
        except InputError as error:
            return _mistake(400, str(error))
        try:
            with self.server.lock:
                vectors = encoder(images)
        except Exception as error:  # the server outlives a model that fails
            _LOG.exception("the model failed")
            return _mistake(500, str(error) if isinstance(error, InputError) else "The model failed.")
        return _Answer(200, wanted, write_vectors(vectors.numpy(), wanted))

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _mistake(status: int, message: str) -> _Answer:
    return _Answer(status, JSON, json.dumps({"error": message}).encode())
