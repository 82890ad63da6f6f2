"""What one part logged during a test. The shops that a whole session shares may log meanwhile."""

import pytest


def lines_of(caplog: pytest.LogCaptureFixture, logger: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == logger]
