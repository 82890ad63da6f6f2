"""`python -m activities`: check that folders and activities match the services' declarations. Part of `make check`."""

import sys

from activities.check import problems
from services import SERVICES


def main() -> int:
    found = problems(SERVICES)
    for problem in found:
        sys.stderr.write(f"✗ {problem}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
