"""The files of docker/ agree with one another and with the commands; `make containers` builds and runs them."""

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearning_pl.cli.finished_runs import configuration

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
KUBERNETES = DOCKER / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
MANIFESTS: dict[tuple[str, str], dict[str, Any]] = {
    (manifest["kind"], manifest["metadata"]["name"]): manifest
    for file in sorted(KUBERNETES.glob("*.yaml"))
    if file.name != "kustomization.yaml"
    for manifest in yaml.safe_load_all(file.read_text())
}
RUNTIME = MANIFESTS["TrainingRuntime", "unlearning-pl"]["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]
DEPLOYMENT = MANIFESTS["Deployment", "unlearning-pl-tensorboard"]["spec"]
PODS: list[dict[str, Any]] = [RUNTIME["spec"]["template"]["spec"], DEPLOYMENT["template"]["spec"]]
JOB = MANIFESTS["TrainJob", "original"]["spec"]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", DOCKERFILE, flags=re.MULTILINE)


def commands() -> Iterator[list[str]]:
    for service in SERVICES.values():
        if "entrypoint" not in service:  # then it is the image's
            yield shlex.split(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", service["command"]))
    yield JOB["trainer"]["args"]


def test_commands_parse_and_go_on_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for words in commands():
        words = [part for word in words for part in word.split("=", maxsplit=1)]
        assert words[-2:] == ["--ckpt_path", "auto"]
        assert configuration(words)["trainer"]["max_epochs"] > 0


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] not in "#"]
    sent = [line[1:] for line in ignored if line.startswith("!")]
    copied = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert {"pyproject.toml", "constraints.txt", "unlearning_pl"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, name) or source.startswith(f"{name}/") for name in sent), source
    assert (DOCKER / "healthy").stat().st_mode & 0o111 == 0o111


def test_bases_are_pinned_and_of_the_python_that_was_tested() -> None:
    (base,) = re.findall(r"^ARG BASE=\S+:(\S+)$", DOCKERFILE, flags=re.MULTILINE)
    (tested,) = re.findall(r"Python (\d+\.\d+)", (ROOT / "constraints.txt").read_text().splitlines()[0])
    assert re.match(rf"{re.escape(tested)}\.\d+-slim-\w+$", base)
    installs = re.findall(r"pip install [^&]*", DOCKERFILE)
    assert installs
    assert all(
        "--constraint constraints.txt" in install or install.split()[2:] == ["--no-deps", "."] for install in installs
    )


def test_nobody_is_root_and_what_is_written_is_mounted() -> None:
    (user,) = instructions("USER")
    (volumes,) = instructions("VOLUME")
    written = {*yaml.safe_load(volumes), "/tmp"}
    for service in SERVICES.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        mounted = {mount.split(":")[1] for mount in service["volumes"]} | {*service["tmpfs"]}
        assert written - mounted <= ({"/data"} if "entrypoint" in service else set())
    for pod in PODS:
        context = pod["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
        assert context["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert {*mounts.values()} == {volume["name"] for volume in pod["volumes"]}
        assert written - {*mounts} <= ({"/data"} if container["name"] == "tensorboard" else set())


def test_all_know_one_port_of_tensorboard() -> None:
    (port,) = instructions("EXPOSE")
    assert f"http://127.0.0.1:{port}/" in (DOCKER / "healthy").read_text()
    assert [mapping.rsplit(":", maxsplit=1)[1] for mapping in SERVICES["tensorboard"]["ports"]] == [port]
    (container,) = DEPLOYMENT["template"]["spec"]["containers"]
    assert [str(one["containerPort"]) for one in container["ports"]] == [port]
    (named,) = container["ports"]
    probes = [container[probe] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert {probe["httpGet"]["port"] for probe in probes} == {named["name"]}
    service = MANIFESTS["Service", "unlearning-pl-tensorboard"]["spec"]
    assert [one["targetPort"] for one in service["ports"]] == [named["name"]]
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    assert service["selector"] == DEPLOYMENT["selector"]["matchLabels"] == labels


def test_a_checkpoint_is_waited_for_before_anything_is_killed() -> None:
    (pod, _) = PODS
    (waits,) = [int(word.split("=")[1]) for word in pod["containers"][0]["command"] if "--shutdown-timeout" in word]
    assert 180 <= waits < pod["terminationGracePeriodSeconds"]
    assert all(service["stop_grace_period"] == "5m" for name, service in SERVICES.items() if name.startswith("train"))


def test_manifests_name_what_there_is() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert sorted([*listed["resources"], "kustomization.yaml"]) == sorted(file.name for file in KUBERNETES.iterdir())
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in PODS
        for volume in pod["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert {("PersistentVolumeClaim", name) for name in claims} <= MANIFESTS.keys()
    assert (JOB["runtimeRef"]["kind"], JOB["runtimeRef"]["name"]) in MANIFESTS
    assert {container["image"] for pod in PODS for container in pod["containers"]} == {listed["images"][0]["name"]}
    assert JOB["trainer"]["numProcPerNode"] == int(JOB["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"])


def test_the_readme_says_what_each_file_is_for() -> None:
    page = (DOCKER / "README.md").read_text()
    for file in DOCKER.rglob("*"):
        if file.is_file() and file.name != "README.md":
            assert file.relative_to(DOCKER).as_posix() in page, file
