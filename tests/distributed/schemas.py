"""Whether Kubernetes manifests are what the API servers of Kubernetes and of Kubeflow Trainer expect.

    python tests/distributed/schemas.py MANIFESTS.yaml      # of the packages that containers.sh installs

What Kubernetes itself knows is held to its strict JSON schema. What Kubeflow adds is read by its own models, which tell
a field that is missing or of a wrong type; they leave out a field that they do not know, so the same must come back.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

_VERSION = "1.34"  # of Kubernetes: in use, and old enough to be found everywhere


def check(manifest: dict[str, Any]) -> None:
    """Raise what a validator has to say of one manifest."""
    if manifest["apiVersion"].startswith("trainer.kubeflow.org/"):
        _check_kubeflow(manifest)
    else:
        import kubernetes_validate

        kubernetes_validate.validate(manifest, _VERSION, strict=True)


def _check_kubeflow(manifest: dict[str, Any]) -> None:
    from kubeflow_trainer_api import models

    read = getattr(models, f"TrainerV1alpha1{manifest['kind']}").from_dict(manifest)
    lost = [*_differences(manifest, read.to_dict())]
    if lost:
        raise ValueError(f"Expected fields of a {manifest['kind']}, got {lost}.")


def _differences(given: Any, read: Any, place: str = "") -> list[str]:
    if isinstance(given, dict) and isinstance(read, dict):
        return [name for key in given for name in _differences(given[key], read.get(key), f"{place}.{key}")]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [
            name
            for row, pair in enumerate(zip(given, read, strict=True))
            for name in _differences(*pair, f"{place}[{row}]")
        ]
    return [] if given == read else [f"{place} = {given!r}"]


if __name__ == "__main__":
    for document in yaml.safe_load_all(Path(sys.argv[1]).read_text()):
        check(document)
        print(f"schemas: {document['kind']} {document['metadata']['name']} is valid")
