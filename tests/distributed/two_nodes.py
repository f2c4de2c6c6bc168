"""Two network namespaces as two nodes: torchrun over both gives the weights of two processes of one machine.

Needs root, to make the namespaces. Command: ``make nodes``.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed.jobs import ENVIRONMENT, FIT, UNLEARN, difference, start

ADDRESSES = ("10.213.7.1", "10.213.7.2")
STATIC = "--node-rank {rank} --master-addr 10.213.7.1 --master-port 29500"
# Both nodes have this machine's name, by which torchrun would find out which is the host, and where rank 0 is.
ELASTIC = "--rdzv-backend c10d --rdzv-endpoint 10.213.7.1:29400 --rdzv-id job "
ELASTIC += "--rdzv-conf is_host={host} --local-addr {address}"


def main() -> int:
    """Try both ways of finding one another; returns the exit code."""
    if os.getuid() != 0:
        sys.stderr.write("Expected root, who may make network namespaces. Run it with sudo.\n")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped by SIGTERM."))  # so that the namespaces go
    good = True
    with tempfile.TemporaryDirectory() as place, namespaces() as nodes:
        folder = Path(place)
        start(FIT.format(folder / "original"))
        start(UNLEARN.format(folder / "original", folder / "one_machine") + " --trainer.devices 2")
        for name, rendezvous in {"static": STATIC, "c10d": ELASTIC}.items():
            run = folder / name
            launch(nodes, rendezvous, UNLEARN.format(folder / "original", run))
            found = difference(run, folder / "one_machine")
            good &= found == 0
            print(f"{'FAIL' if found else 'PASS'} two nodes, {name} rendezvous: weights differ by {found:g}")
    return 0 if good else 1


@contextmanager
def namespaces() -> Iterator[list[str]]:
    """Two namespaces with a cable between them, gone afterwards whatever happens."""
    nodes = [f"node{number}-{os.getpid()}" for number in range(2)]
    with ExitStack() as stack:
        for node in nodes:
            ip("netns", "add", node)
            stack.callback(ip, "netns", "delete", node)  # and with it the cable
        ip(*f"link add eth0 netns {nodes[0]} type veth peer name eth0 netns {nodes[1]}".split())
        for node, address in zip(nodes, ADDRESSES, strict=True):
            ip("-n", node, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", node, "link", "set", device, "up")
        yield nodes


def ip(*words: str) -> None:
    """Run ip, which says itself what is wrong."""
    subprocess.run(["ip", *words], check=True)


def launch(nodes: Sequence[str], rendezvous: str, words: str) -> None:
    """Run a command of the project by torchrun, a process a node."""
    environment = {**ENVIRONMENT, "GLOO_SOCKET_IFNAME": "eth0"}
    started = []
    with ExitStack() as stack:
        for rank, (node, address) in enumerate(zip(nodes, ADDRESSES, strict=True)):
            torchrun = (
                f"-m torch.distributed.run --nnodes 2 --nproc-per-node 1 {rendezvous} -m -- unlearning_pl {words}"
            )
            inside = [
                "ip",
                "netns",
                "exec",
                node,
                sys.executable,
                *torchrun.format(rank=rank, address=address, host=int(rank == 0)).split(),
            ]
            output = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen(inside, env=environment, stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            started.append((process, output))
        for process, output in started:
            code = process.wait(timeout=200)
            output.seek(0)
            assert code == 0, output.read()[-3000:]


if __name__ == "__main__":
    sys.exit(main())
