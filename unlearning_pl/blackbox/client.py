"""Client of an embedding server (protocol in docs/owner.md), as an encoder."""

import io
import json
import socket
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

from torch import Tensor

from unlearning_pl.blackbox.deadline import DeadlineReader, remaining
from unlearning_pl.blackbox.encoder import BATCH, Encoder, Pixels
from unlearning_pl.blackbox.wire_protocol import (
    JSON,
    MAX_BYTES,
    MAX_JSON_BYTES,
    NPY,
    VERSION,
    Array,
    read_vectors,
    write_array,
)
from unlearning_pl.errors import InputError, printable, require, shorten

MAX_REQUEST_BYTES = 8 * 2**20
"""Maximum number of image bytes in one request."""
RETRY_DELAYS = (0.2, 1.0)
"""Seconds before each retry if a server cannot be reached, or is busy (503)."""
_JSON_DIGITS = 32  # bytes of one number of a vector in JSON, at most
_HEADER_BYTES = 2**10  # of a .npy file, at most
_PART = 2**16  # bytes that are sent or read at a time


class Server:
    """Connection to one server, with a timeout for each request and its response.

    No redirect is followed, and no proxy of the environment is used: images go only to the address that their owner
    gave. The system resolves the host's name, in its own time.

    Args:
        address: Its address, ``http://host:port`` or ``https://...``, with or without a path.
        timeout: Seconds from connecting to the last byte of the response.

    Raises:
        InputError: If the address is invalid, or the timeout is not positive.
    """

    def __init__(self, address: str, timeout: float) -> None:
        require(0 < timeout < 1e6, f"Expected timeout > 0, got {timeout}. Give the seconds to wait for an answer.")
        # Messages and reports contain the address, so it must not have a password; this message does not repeat it
        require(
            "@" not in address,
            "Expected an address without user and password, got one with @. Reach the server through a tunnel, or a "
            "proxy that admits you by your own address.",
        )
        self.address, self.timeout = address.rstrip("/"), timeout
        try:
            parts = urlsplit(address)
            valid = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:
            parts, valid = urlsplit(""), False
        require(valid, f"Expected an address such as http://localhost:8000, got {address}. Correct it.")
        self._secure, self._host, self._path = parts.scheme == "https", parts.hostname or "", parts.path.rstrip("/")
        self._port = parts.port or (443 if self._secure else 80)

    def describe(self) -> dict[str, Any]:
        """Query the server for its model: ``protocol``, ``name``, ``image_size`` and ``dimensions``.

        Raises:
            InputError: If the server does not respond, or uses another protocol.
        """
        kind, body = self._request("GET", "/", {"Accept": JSON})
        try:
            description = json.loads(body) if kind == JSON else None
        except (ValueError, RecursionError):
            description = None
        if not isinstance(description, dict) or not _is_valid(description):
            raise InputError(
                f"Expected a server with version {VERSION} of the protocol at {self.address}, got another "
                f"response ({kind}). Start one with unlearning-pl serve; docs/owner.md has the protocol."
            )
        return description

    def embed(self, images: Tensor) -> Array:
        """Vectors ``(B, D)`` of images ``(B, H, W, 3)`` uint8.

        Raises:
            InputError: If the server does not respond, or the response has no vectors.
        """
        kind, body = self._request("POST", "/embed", {"Content-Type": NPY, "Accept": NPY}, write_array(images.numpy()))
        try:
            return read_vectors(body, kind)
        except InputError as error:
            raise InputError(f"{self.address} sent no vectors. {error}") from error

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[str, bytes]:
        """Content type and body of the response; tries again if the server cannot be reached or is busy."""
        for wait in (*RETRY_DELAYS, None):
            try:
                response, content = self._send(method, path, headers, body)
                if 200 <= response.status < 300:
                    return printable(response.headers.get_content_type()), content
                if response.status != 503 or wait is None:
                    raise self._status_error(response, content)
            except InputError:
                raise
            except TimeoutError as error:
                raise self._timeout_error() from error
            except (HTTPException, OSError, ValueError) as error:
                if wait is None or not isinstance(error, (HTTPException, OSError)):
                    raise self._connection_error(error) from error
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[HTTPResponse, bytes]:
        deadline = time.monotonic() + self.timeout
        with self._connect(deadline) as connection:
            request = HTTPConnection(self._host, self._port)
            request.sock = connection
            length = {"Content-Length": str(len(body))} if body else {}
            parts = _parts(body, connection, deadline) if body else None
            request.request(method, self._path + path, parts, headers | length)
            response = HTTPResponse(connection, method=method)
            response.fp.close()
            response.fp = io.BufferedReader(DeadlineReader(connection, deadline))
            response.begin()
            return response, self._read_body(response)

    def _connect(self, deadline: float) -> socket.socket:
        fault = OSError("the host has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
            connection = socket.socket(family, kind, protocol)
            try:
                connection.settimeout(remaining(deadline))
                connection.connect(address)
                if not self._secure:
                    return connection
                connection.settimeout(remaining(deadline))
                return ssl.create_default_context().wrap_socket(connection, server_hostname=self._host)
            except OSError as error:
                connection.close()
                fault = error
        raise fault

    def _read_body(self, response: HTTPResponse) -> bytes:
        """Read the whole response, within the maximum size of its type and before the deadline."""
        most = MAX_BYTES if response.headers.get_content_type() == NPY else MAX_JSON_BYTES
        stated, body = response.length, bytearray()
        try:
            while part := response.read(_PART):
                body += part
                require(
                    len(body) <= most,
                    f"Expected a response of at most {most} bytes from {self.address}, got a longer one. Contact its "
                    "operator.",
                )
        except IncompleteRead as error:
            body += error.partial
            stated = stated or len(body) + (error.expected or 1)
        require(
            stated is None or len(body) == stated,
            f"Expected a whole response from {self.address}, got {len(body)} bytes of at least {stated}. Try again, or "
            "contact its operator.",
        )
        return bytes(body)

    def _status_error(self, response: HTTPResponse, body: bytes) -> InputError:
        if 300 <= response.status < 400:
            location = shorten(printable(response.headers.get("Location")))
            return InputError(
                f"Expected a response from {self.address}, got a redirect to {location}. Give that address if "
                "you trust it; redirects are not followed."
            )
        try:
            message = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError, RecursionError):
            message = response.reason
        return InputError(
            f"Expected a response from {self.address}, got status {response.status} ({shorten(printable(message))}). "
            "Contact its operator, or correct the address."
        )

    def _timeout_error(self) -> InputError:
        return InputError(
            f"Expected a response from {self.address} within {self.timeout:g} s, got none. Give a longer --timeout, or "
            "contact its operator."
        )

    def _connection_error(self, reason: object) -> InputError:
        cause = shorten(printable(reason)) or type(reason).__name__
        return InputError(
            f"Expected a server at {self.address}, got no response ({cause}). Start it, or correct the address."
        )


def connect(address: str, image_size: int | None = None, timeout: float = 30.0) -> Encoder:
    """Connect to a server as an encoder.

    A request has at most :data:`MAX_REQUEST_BYTES` bytes of images, or one image.

    Args:
        address: Address of the server, ``http://host:port`` or ``https://...``.
        image_size: Height and width of its images, if the server does not state them.
        timeout: Seconds to wait for each response.

    Raises:
        InputError: If the server cannot be reached, uses another protocol, or states an image size that no request can
            have.
    """
    server = Server(address, timeout)
    description = server.describe()
    stated = description.get("image_size")
    size = Pixels(image_size=image_size).size(None, address) if stated is None else (stated[0], stated[1])
    image_bytes, dimensions = 3 * size[0] * size[1], description["dimensions"]
    require(
        image_bytes <= MAX_BYTES - _HEADER_BYTES,
        f"Expected an image_size with which an image has at most {MAX_BYTES} bytes, the most of a request, got "
        f"{size[0]}x{size[1]} from {address}. Contact its operator.",
    )
    batch = min(BATCH, MAX_REQUEST_BYTES // image_bytes, MAX_JSON_BYTES // (_JSON_DIGITS * dimensions))
    return Encoder(address, server.embed, size, max(1, batch), dimensions)


def _parts(body: bytes, connection: socket.socket, deadline: float) -> Iterator[bytes]:
    for start in range(0, len(body), _PART):
        connection.settimeout(remaining(deadline))
        yield body[start : start + _PART]


def _is_valid(description: dict[str, Any]) -> bool:
    """Whether a description of a model follows the protocol."""
    size, dimensions = description.get("image_size"), description.get("dimensions")
    sides = [1, 1] if size is None else size
    counts = [*sides, dimensions] if isinstance(sides, list) and len(sides) == 2 else [None]
    return description.get("protocol") == VERSION and all(
        type(count) is int and 1 <= count <= 2**16 for count in counts
    )
