"""Variants of a plan: settings of the same file that stack on those above them, chosen by the plan's name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.cli.shipped_configs import find_config
from unlearning_pl.errors import InputError, require, suggest_names

VARIANTS = "variants"
"""Key of a plan: name of a variant and the settings that it adds."""


def find_plan(name: str) -> tuple[Path, list[str]]:
    """Find the file of a plan, and the variants of it that its name lists after plus signs.

    Args:
        name: A path or a name of the package's; ``benchmarks/papers/muc+moco+gpu`` is ``muc.yaml`` with two variants.
            A file of exactly that path comes first.

    Raises:
        InputError: If there is no such file.

    Example:
        >>> path, variants = find_plan("benchmarks/papers/muc+moco+gpu")
        >>> path.name, variants
        ('muc.yaml', ['moco', 'gpu'])
    """
    given = Path(name)
    stem, *variants = given.name.removesuffix(".yaml").split("+")
    if not variants or given.expanduser().is_file():
        return Path(find_config(name)), []
    suffix = ".yaml" if given.name.endswith(".yaml") else ""
    return Path(find_config(str(given.with_name(stem + suffix)))), variants


def variant_path(path: Path, variants: Sequence[str]) -> Path:
    """The path by which a plan with variants is known: its stem is the name of its output folder.

    Example:
        >>> variant_path(Path("plans/muc.yaml"), ["moco", "gpu"]).as_posix()
        'plans/muc+moco+gpu.yaml'
    """
    return path.with_name("+".join([path.stem, *variants]) + path.suffix)


def stack_variants(content: Mapping[str, Any], variants: Sequence[str], path: Path) -> dict[str, Any]:
    """Settings of a plan with its variants, in their order: each adds options behind those before it, which win.

    Texts of options, also those of a method, are joined by a space and titles by a comma; new methods come last, and
    any other key is replaced.

    Args:
        content: The plan as read.
        variants: Names of variants.
        path: The file, for messages.

    Raises:
        InputError: If the plan has no such variant, or one is not a mapping.

    Example:
        >>> plan = {"fit": "--a 1", "forget": {"count": 1}, "variants": {"long": {"fit": "--a 2"}}}
        >>> stack_variants(plan, ["long"], Path("plan.yaml"))
        {'fit': '--a 1 --a 2', 'forget': {'count': 1}}
    """
    known = content.get(VARIANTS, {})
    if not isinstance(known, dict) or not all(isinstance(name, str) for name in known):
        raise InputError(f"Expected names with settings under variants in {path}, got {known!r}. Correct it.")
    stacked = {key: value for key, value in content.items() if key != VARIANTS}
    for name, added in known.items():
        require(
            isinstance(added, dict) and VARIANTS not in added,
            f"Expected settings of a plan as variants.{name} in {path}, got {added!r}. Write for instance "
            "{fit: --trainer.max_epochs 20}.",
        )
    for name in variants:
        remedy = suggest_names(name, list(known)) if name not in known else "Give each once."
        require(
            name in known and variants.count(name) == 1,
            f"Expected different variants of {path}, got {name!r}. {remedy}",
        )
        stacked |= {key: _joined(key, stacked.get(key), value) for key, value in known[name].items()}
    return stacked


def _joined(key: str, before: Any, added: Any) -> Any:
    if key == "methods" and isinstance(before, dict) and isinstance(added, dict):
        return before | {name: _joined("", before.get(name), words) for name, words in added.items()}
    if isinstance(before, str) and isinstance(added, str):
        return f"{before}, {added}" if key == "title" else f"{before} {added}"
    return added
