"""A deadline for everything that is read from or sent to a socket, however slowly the other side does it.

The timeout of a socket covers one call: a peer that sends a byte before each timeout would hold a reader for ever.
"""

import io
import socket
import time
from typing import Any

from typing_extensions import override


class DeadlineReader(io.RawIOBase):
    """The stream of the bytes that a socket receives before a deadline; later reads raise TimeoutError.

    Args:
        connection: The socket; its timeout changes with each read.
        deadline: Time by ``time.monotonic``; it may be set anew.

    Example:
        >>> ours, theirs = socket.socketpair()
        >>> theirs.send(b"answer")
        6
        >>> io.BufferedReader(DeadlineReader(ours, time.monotonic() + 9)).read(6)
        b'answer'
        >>> ours.close(), theirs.close()
        (None, None)
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection, self.deadline = connection, deadline

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        self.connection.settimeout(remaining(self.deadline))
        return self.connection.recv_into(buffer)


def remaining(deadline: float) -> float:
    """Seconds until a deadline.

    Raises:
        TimeoutError: If it has passed.

    Example:
        >>> 0 < remaining(time.monotonic() + 5) <= 5
        True
    """
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return seconds
