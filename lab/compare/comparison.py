"""A comparison: under which conditions, and the figures of both styles."""

import os
import platform
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from kernel.contracts import Style
from kernel.errors import Unreachable
from lab.compare.environment import settings_for
from lab.compare.figures import Figures, figures
from lab.compare.orders import planned
from lab.compare.run import run
from lab.servers.temporal import DevServer
from lab.settings import LabSettings

Say = Callable[[str], None]


@dataclass(frozen=True)
class Conditions:
    """The conditions of both styles. `kill_every` is in seconds; None for never."""

    orders: int
    seed: int
    faults: str
    kill_every: float | None

    def command(self) -> str:
        """The command line."""
        faults = f" --faults {shlex.quote(self.faults)}" if self.faults else ""
        kill_every = f" --kill-every {self.kill_every:g}" if self.kill_every else ""
        return f"python -m lab compare --orders {self.orders} --seed {self.seed}{faults}{kill_every}"


@dataclass(frozen=True)
class Comparison:
    """`temporal` and `nats` are the servers' versions, `nats` empty when the bus is in SQL."""

    conditions: Conditions
    began_at: datetime
    python: str
    sdk: str
    temporal: str
    nats: str
    has_own_server: bool
    machine: str
    styles: Sequence[Figures]

    @property
    def is_good(self) -> bool:
        return all(one.is_good for one in self.styles)

    def document(self) -> dict[str, Any]:
        """For scripts; durations are in seconds."""
        document = asdict(self) | {"began_at": self.began_at.isoformat(), "is_good": self.is_good}
        for one in document["styles"]:
            del one["series"]
        document["styles"] = {one["style"]: one for one in document["styles"]}
        return {key: _rounded(one) for key, one in document.items()}


def compare_styles(conditions: Conditions, settings: LabSettings, say: Say) -> Comparison:
    """Run the orders in one style, and then in the other. Raises SettingsError, Unreachable, BusDown."""
    began_at, token = datetime.now(UTC), uuid4().hex[:8]
    has_own_server = DevServer.is_wanted()
    # On a server that others use too, no order may have the id of an earlier comparison's.
    orders = planned(conditions.seed, conditions.orders, "" if has_own_server else f"-{token}")
    styles, temporal, nats = list[Figures](), "", ""
    with _folder(lambda: all(one.is_good for one in styles), say) as folder:
        for style in Style:

            def says(text: str, style: Style = style) -> None:
                say(f"{style}: {text}")

            own = settings_for(style, settings, folder / style, conditions.faults, token)
            seen = run(style, own, orders, conditions.kill_every, says)
            styles.append(figures(seen))
            temporal, nats = temporal or seen.temporal_version, seen.nats_version
            for one in (*seen.violations, *seen.problems):
                says(one)
    return Comparison(
        conditions=conditions,
        began_at=began_at,
        python=platform.python_version(),
        sdk=version("temporalio"),
        temporal=temporal,
        nats=nats,
        has_own_server=has_own_server,
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        styles=styles,
    )


@contextmanager
def _folder(is_good: Callable[[], bool], say: Say) -> Iterator[Path]:
    """A new one, which stays only where there is something to find out."""
    folder = Path(tempfile.mkdtemp(prefix="order-saga-compare-"))
    stays = False
    try:
        yield folder
        stays = not is_good()
    except Unreachable:
        stays = True
        raise
    finally:
        if stays:
            say(f"the databases and logs stay in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _rounded(value: object) -> object:
    """To milliseconds, and as exact as anything else is."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value
