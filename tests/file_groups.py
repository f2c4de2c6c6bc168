"""What one process runs where several do, ``-n 2``: tests that share costly fixtures."""

from tiny import LEARNERS
from xdist.scheduler import LoadScopeScheduling


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """A file is a group; of the contract, the longest, the tests of one learner."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        if not path.endswith("test_contract.py"):
            return path
        parameters = test.partition("[")[2]
        return f"{path} {next((name for name in LEARNERS if name in parameters), 'SimCLR')}"
