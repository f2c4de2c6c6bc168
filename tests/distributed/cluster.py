"""A real SLURM of two nodes on this one machine, for the length of a ``with`` statement.

Debian's packages are unpacked, not installed: Lightning warns wherever it finds srun, and nothing of a system's own
SLURM is used. Ports are free ones, all state lies in a temporary folder, and the daemons end with the statement.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from getpass import getuser
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge", "libmunge2", "libhwloc15",
            "liblua5.1-0")  # fmt: skip
NODES = ("one", "two")
# A requeued job waits until its credential is out of date, two minutes if nothing is said, five seconds at least.
CONFIGURATION = """
ClusterName=two_nodes_on_one_machine
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool_%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd_%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd_%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=5
MessageTimeout=60
NodeName=one NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8
NodeName=two NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """Two nodes that take jobs.

    Args:
        environment: Variables with which SLURM's commands find this cluster.
        logs: Folder of what jobs say.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.environment, self.logs = dict(environment), logs

    def run(self, *words: str) -> str:
        """Run one of SLURM's commands and return what it prints."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def submit(self, *words: str) -> str:
        """Submit a script; returns the number of the job."""
        return self.run("sbatch", "--parsable", f"--output={self.logs}/%A_%a.log", *words).strip()

    def shown(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job: state, exit code, restarts and much more."""
        return dict(re.findall(r"(\w+)=(\S*)", self.run("scontrol", "show", "job", "--oneliner", job)))

    def wait(self, job: str, seconds: float = 120) -> dict[str, str]:
        """Wait until a job is over, requeued or not, and return what SLURM knows of it."""
        running = ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "SUSPENDED")
        until(lambda: self.shown(job)["JobState"] not in running, f"the end of job {job}", seconds)
        return self.shown(job)

    def log(self, job: str) -> str:
        """What a job said; of an array, all its tasks."""
        return "\n".join(path.read_text() for path in sorted(self.logs.glob(f"{job}_*.log")))


def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


@contextmanager
def two_nodes(packages: Path) -> Iterator[Cluster]:
    """Bring up a cluster, and bring it down whatever happens.

    Args:
        packages: Folder where unpacked packages are kept for the next time.
    """
    root = unpacked(packages)
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as place, ExitStack() as stack:
        folder = Path(place)
        folder.chmod(0o755)  # munge wants a socket that everybody reaches
        environment = {**os.environ, **_variables(root, folder)}
        _configure(root, folder)
        cluster = Cluster(environment, folder / "logs")
        try:
            _start_daemons(stack, cluster, root, folder)
            yield cluster
        except AssertionError:
            sys.stderr.write((folder / "daemons.log").read_text()[-3000:])
            raise
        finally:
            _end(environment["SLURM_CONF"])


def unpacked(packages: Path) -> Path:
    """The root of a tree with Debian's packages in it, fetched and unpacked if it is not there."""
    root = packages / "root"
    if root.exists():
        return root
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=packages) as place:
        fetch = subprocess.run(
            ["apt-get", "download", *PACKAGES], cwd=place, capture_output=True, text=True, check=False
        )
        assert fetch.returncode == 0, f"apt-get download failed; run apt-get update first. {fetch.stderr}"
        half = Path(place) / "root"
        for package in Path(place).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, half], check=True)
        half.rename(root)
    return root


def _variables(root: Path, folder: Path) -> dict[str, str]:
    libraries = [str(path) for path in (_plugins(root).parent, _plugins(root))]
    return {
        "PATH": f"{root}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join([*libraries, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]).rstrip(":"),
        "SLURM_CONF": str(folder / "slurm.conf"),
        # The names of the nodes are known to SLURM alone, and both are this machine.
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
    }


def _plugins(root: Path) -> Path:
    return next(root.glob("usr/lib/*/slurm-wlm"))


def _configure(root: Path, folder: Path) -> None:
    given = {"host": socket.gethostname(), "user": getuser(), "folder": folder, "plugins": _plugins(root)}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=_free_ports(3), **given))
    (folder / "munge.key").touch(0o600)
    (folder / "munge.key").write_bytes(os.urandom(128))
    for name in ("state", "logs"):
        (folder / name).mkdir()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start_daemons(stack: ExitStack, cluster: Cluster, root: Path, folder: Path) -> None:
    programs = root / "usr/sbin"
    files = {"key-file": "key", "socket": "socket", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
    munge = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
    daemons = [
        [programs / "munged", "--foreground", "--force", *munge],
        [programs / "slurmctld-wlm", "-D"],
        *([programs / "slurmd-wlm", "-D", "-N", node, "-d", programs / "slurmstepd-wlm"] for node in NODES),
    ]
    for words in daemons:
        with (folder / "daemons.log").open("a") as log:
            stack.callback(subprocess.Popen(words, env=cluster.environment, stdout=log, stderr=log).wait)
        until((folder / "munge.socket").exists, "munged")
    until(lambda: _idle(cluster) == len(NODES), "idle nodes", 60)


def _idle(cluster: Cluster) -> int:
    try:
        return cluster.run("sinfo", "--noheader", "--Node", "--states=idle").count("idle")
    except AssertionError:  # the controller has not begun to listen
        return 0


def processes(**variables: str) -> list[int]:
    """Processes, other than the dead, with these variables in their environment."""
    wanted = {f"{name}={value}".encode() for name, value in variables.items()}
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if wanted <= {*path.read_bytes().split(b"\0")}:
                found.append(int(path.parent.name))
    return found


def _end(configuration: str) -> None:
    """End every process that was started with a configuration: daemons, jobs, and what jobs started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + 5
        for process in processes(SLURM_CONF=configuration):
            with suppress(ProcessLookupError):
                os.kill(process, number)
        while processes(SLURM_CONF=configuration) and time.monotonic() < end:
            time.sleep(0.1)
