"""A model behind a server that speaks the protocol of docs/owner.md, as an encoder."""

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
from unlearning_pl.blackbox.wire_protocol import JSON, LARGEST, NPY, VERSION, Array, read_vectors, write_array
from unlearning_pl.errors import InputError, require

REQUEST = 8 * 2**20
"""Most bytes of images in one request."""
WAITS = (0.2, 1.0)
"""Seconds before each further attempt where a server is not reached, or is busy (503)."""
_WORDS = 200  # of a stranger's message that are shown


class _StayHere(HTTPRedirectHandler):
    """Images go where their owner sent them, and nowhere else."""

    @override
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


class Server:
    """Asks one server, within a time for each answer.

    Args:
        address: Where it is, ``http://host:port`` or ``https://...``, with or without a path.
        timeout: Seconds to wait for each answer.

    Raises:
        InputError: If the address is none, or the time is not positive.
    """

    def __init__(self, address: str, timeout: float) -> None:
        require(0 < timeout < 1e6, f"Expected timeout > 0, got {timeout}. Give the seconds to wait for an answer.")
        require(  # and not repeated: messages and reports name the address
            "@" not in address,
            "Expected an address without user and password, got one with @. Reach the server through a tunnel, or a "
            "proxy that admits you by your own address.",
        )
        self.address, self.timeout = address.rstrip("/"), timeout
        try:
            parts = urlsplit(address)
            sound = bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:
            sound = False
        require(sound, f"Expected an address such as http://localhost:8000, got {address}. Correct it.")
        # no proxy that the environment names sees the images
        self._opener: OpenerDirector = build_opener(_StayHere, ProxyHandler({}))

    def describe(self) -> dict[str, Any]:
        """What the server says of its model: ``protocol``, ``name``, ``image_size`` and ``dimensions``.

        Raises:
            InputError: If it does not answer, or speaks another protocol.
        """
        kind, body = self._ask(Request(f"{self.address}/", headers={"Accept": JSON}))
        try:
            told = json.loads(body) if kind == JSON else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or not _sound(told):
            raise InputError(
                f"Expected a server that speaks version {VERSION} of the protocol at {self.address}, got another "
                f"answer ({kind}). Start one with unlearning-pl serve; docs/owner.md has the protocol."
            )
        return told

    def embed(self, images: Tensor) -> Array:
        """Vectors ``(B, D)`` of images ``(B, H, W, 3)`` uint8.

        Raises:
            InputError: If the server does not answer, or with something else.
        """
        headers = {"Content-Type": NPY, "Accept": NPY}
        kind, body = self._ask(Request(f"{self.address}/embed", write_array(images.numpy()), headers))
        try:
            return read_vectors(body, kind)
        except InputError as error:
            raise InputError(f"{self.address} sent no vectors. {error}") from error

    def _ask(self, request: Request) -> tuple[str, bytes]:
        for wait in (*WAITS, None):
            try:
                return self._once(request)
            except InputError:
                raise
            except HTTPError as error:
                with error:
                    refused = self._refused(error)
                if error.code != 503 or wait is None:
                    raise refused from error
            except (HTTPException, OSError, ValueError) as error:
                reason = error.reason if isinstance(error, URLError) else error
                if isinstance(reason, TimeoutError):
                    raise self._late() from error
                if wait is None or not isinstance(error, (HTTPException, OSError)):
                    raise self._unreached(reason) from error
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, request: Request) -> tuple[str, bytes]:
        until = time.monotonic() + self.timeout
        with self._opener.open(request, timeout=self.timeout) as response:
            body = self._body(response, until)
            return str(response.headers.get_content_type()), body

    def _body(self, response: HTTPResponse, until: float) -> bytes:
        """All of an answer: neither endless nor drop by drop."""
        body = b""
        while part := response.read1(2**20):
            body += part
            require(
                len(body) <= LARGEST,
                f"Expected an answer of at most {LARGEST} bytes from {self.address}, got a longer one. Ask its keeper.",
            )
            if time.monotonic() > until:
                raise TimeoutError
        return body

    def _refused(self, error: HTTPError) -> InputError:
        if 300 <= error.code < 400:
            place = _plain(str(error.headers.get("Location")))
            return InputError(
                f"Expected an answer from {self.address}, got a redirect to {place}. Give that address if you trust "
                "it: images are not sent elsewhere unasked."
            )
        try:
            told = json.loads(error.read(2**16))["error"]
        except (ValueError, KeyError, TypeError, RecursionError, HTTPException, OSError):
            told = error.reason
        return InputError(
            f"Expected an answer from {self.address}, got status {error.code} ({_plain(str(told))}). Ask its keeper, "
            "or correct the address."
        )

    def _late(self) -> InputError:
        return InputError(
            f"Expected an answer from {self.address} within {self.timeout:g} s, got none. Give a longer --timeout, or "
            "ask its keeper."
        )

    def _unreached(self, reason: object) -> InputError:
        why = _plain(str(reason)) or type(reason).__name__
        return InputError(
            f"Expected a server at {self.address}, got no answer ({why}). Start it, or correct the address."
        )


def connect(address: str, image_size: int | None = None, timeout: float = 30.0) -> Encoder:
    """The model behind a server as an encoder; images go there in requests of at most :data:`REQUEST` bytes.

    Args:
        address: Where the server is, ``http://host:port`` or ``https://...``.
        image_size: Height and width of its images where the server does not say it.
        timeout: Seconds to wait for each answer.

    Raises:
        InputError: If there is no such server, or it speaks another protocol.
    """
    server = Server(address, timeout)
    told = server.describe()
    stated = told.get("image_size")
    size = Pixels(image_size=image_size).size(None, address) if stated is None else (stated[0], stated[1])
    batch = max(1, min(BATCH, REQUEST // (3 * size[0] * size[1])))
    return Encoder(address, server.embed, size, batch, told["dimensions"])


def _sound(told: dict[str, Any]) -> bool:
    """Whether this is what a server has to say of its model."""
    size, dimensions = told.get("image_size"), told.get("dimensions")
    sides = [1, 1] if size is None else size
    counts = [*sides, dimensions] if isinstance(sides, list) and len(sides) == 2 else [None]
    return told.get("protocol") == VERSION and all(type(count) is int and 1 <= count <= 2**16 for count in counts)


def _plain(text: str) -> str:
    """A stranger's words without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:_WORDS].strip()
