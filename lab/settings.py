"""The laboratory's settings: those of the programs, and the injected faults."""

from settings import Settings, load_as


class LabSettings(Settings):
    """`faults` as `lab.faults` describes it."""

    faults: str = ""


def load() -> LabSettings:
    """Raises SettingsError."""
    return load_as(LabSettings)
