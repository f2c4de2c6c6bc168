"""Installs configs/ as unlearning_pl/configs; all other settings are in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["unlearning_pl*"]), "unlearning_pl.configs"],
    package_dir={"unlearning_pl.configs": "configs"},
)
