"""A reader leaves a slow sender at the deadline, which is that of all bytes together."""

import io
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

import pytest

from unlearning_pl.blackbox.deadline import DeadlineReader


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_bytes_that_trickle_do_not_move_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair

    def trickle() -> None:
        with suppress(OSError):
            for _ in range(100):
                theirs.send(b"a")
                time.sleep(0.02)

    thread = Thread(target=trickle)
    thread.start()
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        io.BufferedReader(DeadlineReader(ours, start + 0.1)).read(100)
    assert time.monotonic() - start < 1
    ours.close()
    thread.join()


def test_nothing_is_read_after_the_deadline_and_a_new_one_may_be_set(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.send(b"all")
    reader = DeadlineReader(ours, time.monotonic())
    with pytest.raises(TimeoutError):
        reader.read(3)
    reader.deadline += 9
    assert reader.read(3) == b"all"
    theirs.close()
    assert io.BufferedReader(reader).read(9) == b""
