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


def read_steadily(stream: io.BufferedIOBase, reader: DeadlineReader, length: int, part: int, seconds: float) -> bytes:
    """Read bytes of which each part arrives in time: a peer that sends nothing more is left before the deadline.

    Args:
        stream: The buffered stream over ``reader``.
        reader: Its deadline holds for all bytes, and is the same afterwards.
        length: Number of bytes; fewer are returned if the stream ends.
        part: Number of bytes that must arrive within ``seconds``.
        seconds: Time for each part.

    Raises:
        TimeoutError: If a part or the whole does not arrive in time.

    Example:
        >>> ours, theirs = socket.socketpair()
        >>> theirs.send(b"answer")
        6
        >>> reader = DeadlineReader(ours, time.monotonic() + 9)
        >>> read_steadily(io.BufferedReader(reader), reader, 6, part=4, seconds=1)
        b'answer'
        >>> ours.close(), theirs.close()
        (None, None)
    """
    deadline, read = reader.deadline, bytearray()
    while len(read) < length:
        wanted = min(part, length - len(read))
        reader.deadline = min(deadline, time.monotonic() + seconds)
        read += (received := stream.read(wanted))
        if len(received) < wanted:
            break
    reader.deadline = deadline
    return bytes(read)


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
