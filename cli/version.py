"""`starter.py --version`."""

import platform
import sys

import typer

VERSION = "0.1.0"  # as pyproject.toml has it, which is not in the image


def show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"order-saga {VERSION}, Python {platform.python_version()}\n")
        raise typer.Exit
