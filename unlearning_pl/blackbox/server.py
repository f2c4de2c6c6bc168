"""HTTP server of an encoder, by the protocol of docs/owner.md.

Each request has its own thread for reading and writing; a lock runs the model on one request at a time.
"""

import json
import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, NamedTuple

from typing_extensions import override

from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.wire_protocol import JSON, MAX_BYTES, NPY, VERSION, read_images, write_vectors
from unlearning_pl.errors import InputError, require

_LOG = logging.getLogger(__name__)


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
        self.encoder, self.lock = encoder, Lock()
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
    timeout = 60  # seconds of inactivity after which the server closes a connection

    @override
    def version_string(self) -> str:
        return "unlearning-pl"

    def do_GET(self) -> None:
        """Respond with a description of the model."""
        self._send(self._describe() if self.path == "/" else self._not_found())

    def do_HEAD(self) -> None:
        """Respond with the headers of GET."""
        self.do_GET()

    def do_POST(self) -> None:
        """Respond to images with their vectors."""
        if self.path != "/embed":
            self.close_connection = True  # because the body of the request is not read
            self._send(self._not_found())
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(
                _error_response(411, "Expected a Content-Length, got none. Send the body without chunked encoding.")
            )
        elif len(length) > 20 or int(length) > MAX_BYTES:
            self.close_connection = True
            self._send(
                _error_response(413, f"Expected at most {MAX_BYTES} bytes, got more. Send fewer images at a time.")
            )
        else:
            self._send(self._embed(self.rfile.read(int(length)), int(length)))

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
            images = read_images(body, content_type if "Content-Type" in self.headers else "", encoder.image_size)
        except InputError as error:
            return _error_response(400, str(error))
        try:
            with self.server.lock:
                vectors = encoder(images)
        except Exception as error:  # a failing model must not stop the server
            _LOG.exception("the model failed")
            return _error_response(500, str(error) if isinstance(error, InputError) else "The model failed.")
        return _Response(200, response_type, write_vectors(vectors.numpy(), response_type))

    def _send(self, response: _Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)


def _error_response(status: int, message: str) -> _Response:
    return _Response(status, JSON, json.dumps({"error": message}).encode())
