"""Commands to paste into another terminal, with the settings that they need."""

import shlex
from pathlib import Path

from lab.settings import LabSettings
from settings import Settings


def pasted(settings: LabSettings, *words: str) -> str:
    """`starter.py` with these words, for these settings, from the folder of the project."""
    folder = settings.data_dir.absolute()
    given = {
        "DATA_DIR": str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder),
        "TEMPORAL_PORT": str(settings.temporal_port),
        "UI_PORT": str(settings.ui_port),
        "BUS_URL": settings.bus_url,
        "BUS_STREAM": settings.bus_stream if settings.bus_url else "",
    }
    usual = {name: str(Settings.model_fields[name.lower()].default) for name in given} | {"DATA_DIR": "data"}
    needed = [f"{name}={shlex.quote(value)}" for name, value in given.items() if value and value != usual[name]]
    return " ".join((*needed, ".venv/bin/python starter.py", *words))
