"""Client of an embedding server (protocol in docs/owner.md), as an encoder."""

import json
import time
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from torch import Tensor
from typing_extensions import override

from unlearning_pl.blackbox.encoder import BATCH, Encoder, Pixels
from unlearning_pl.blackbox.wire_protocol import JSON, MAX_BYTES, NPY, VERSION, Array, read_vectors, write_array
from unlearning_pl.errors import InputError, require

MAX_REQUEST_BYTES = 8 * 2**20
"""Maximum number of image bytes in one request."""
RETRY_DELAYS = (0.2, 1.0)
"""Seconds before each retry if a server cannot be reached, or is busy (503)."""
_MAX_CHARACTERS = 200  # of a server's message that an error quotes


class _NoRedirect(HTTPRedirectHandler):
    """Refuse redirects: images go only to the address that their owner gave."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Server:
    """Connection to one server, with a timeout for each response.

    Args:
        address: Its address, ``http://host:port`` or ``https://...``, with or without a path.
        timeout: Seconds to wait for each response.

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
            valid = False
        require(valid, f"Expected an address such as http://localhost:8000, got {address}. Correct it.")
        # no proxies, so that the images do not pass through one from the environment
        self._opener: OpenerDirector = build_opener(_NoRedirect, ProxyHandler({}))

    def describe(self) -> dict[str, Any]:
        """Query the server for its model: ``protocol``, ``name``, ``image_size`` and ``dimensions``.

        Raises:
            InputError: If the server does not respond, or uses another protocol.
        """
        kind, body = self._request(Request(f"{self.address}/", headers={"Accept": JSON}))
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
        headers = {"Content-Type": NPY, "Accept": NPY}
        kind, body = self._request(Request(f"{self.address}/embed", write_array(images.numpy()), headers))
        try:
            return read_vectors(body, kind)
        except InputError as error:
            raise InputError(f"{self.address} sent no vectors. {error}") from error

    def _request(self, request: Request) -> tuple[str, bytes]:
        for wait in (*RETRY_DELAYS, None):
            try:
                return self._send(request)
            except InputError:
                raise
            except HTTPError as error:
                with error:
                    refusal = self._status_error(error)
                if error.code != 503 or wait is None:
                    raise refusal from error
            except (HTTPException, OSError, ValueError) as error:
                reason = error.reason if isinstance(error, URLError) else error
                if isinstance(reason, TimeoutError):
                    raise self._timeout_error() from error
                if wait is None or not isinstance(error, (HTTPException, OSError)):
                    raise self._connection_error(reason) from error
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, request: Request) -> tuple[str, bytes]:
        deadline = time.monotonic() + self.timeout
        with self._opener.open(request, timeout=self.timeout) as response:
            body = self._read_body(response, deadline)
            return str(response.headers.get_content_type()), body

    def _read_body(self, response: HTTPResponse, deadline: float) -> bytes:
        """Read the whole response, within the maximum size and before the deadline."""
        body = b""
        while part := response.read1(2**20):
            body += part
            require(
                len(body) <= MAX_BYTES,
                f"Expected a response of at most {MAX_BYTES} bytes from {self.address}, got a longer one. "
                "Contact its operator.",
            )
            if time.monotonic() > deadline:
                raise TimeoutError
        return body

    def _status_error(self, error: HTTPError) -> InputError:
        if 300 <= error.code < 400:
            location = _printable(str(error.headers.get("Location")))
            return InputError(
                f"Expected a response from {self.address}, got a redirect to {location}. Give that address if "
                "you trust it; redirects are not followed."
            )
        try:
            message = json.loads(error.read(2**16))["error"]
        except (ValueError, KeyError, TypeError, RecursionError, HTTPException, OSError):
            message = error.reason
        return InputError(
            f"Expected a response from {self.address}, got status {error.code} ({_printable(str(message))}). Contact "
            "its operator, or correct the address."
        )

    def _timeout_error(self) -> InputError:
        return InputError(
            f"Expected a response from {self.address} within {self.timeout:g} s, got none. Give a longer --timeout, or "
            "contact its operator."
        )

    def _connection_error(self, reason: object) -> InputError:
        cause = _printable(str(reason)) or type(reason).__name__
        return InputError(
            f"Expected a server at {self.address}, got no response ({cause}). Start it, or correct the address."
        )


def connect(address: str, image_size: int | None = None, timeout: float = 30.0) -> Encoder:
    """Connect to a server as an encoder; a request with images has at most :data:`MAX_REQUEST_BYTES` bytes.

    Args:
        address: Address of the server, ``http://host:port`` or ``https://...``.
        image_size: Height and width of its images, if the server does not state them.
        timeout: Seconds to wait for each response.

    Raises:
        InputError: If the server cannot be reached, or uses another protocol.
    """
    server = Server(address, timeout)
    description = server.describe()
    stated = description.get("image_size")
    size = Pixels(image_size=image_size).size(None, address) if stated is None else (stated[0], stated[1])
    batch = max(1, min(BATCH, MAX_REQUEST_BYTES // (3 * size[0] * size[1])))
    return Encoder(address, server.embed, size, batch, description["dimensions"])


def _is_valid(description: dict[str, Any]) -> bool:
    """Whether a description of a model follows the protocol."""
    size, dimensions = description.get("image_size"), description.get("dimensions")
    sides = [1, 1] if size is None else size
    counts = [*sides, dimensions] if isinstance(sides, list) and len(sides) == 2 else [None]
    return description.get("protocol") == VERSION and all(
        type(count) is int and 1 <= count <= 2**16 for count in counts
    )


def _printable(text: str) -> str:
    """Text of a server without control characters, which could manipulate a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_MAX_CHARACTERS].strip()
