"""Tests of the command line run as within a command."""

from collections.abc import Iterator

import pytest

from unlearning_pl.option_words import command_line


@pytest.fixture(autouse=True)
def _in_a_command() -> Iterator[None]:
    with command_line():
        yield
