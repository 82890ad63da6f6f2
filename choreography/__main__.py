"""`python -m choreography`: check that the table of reactions is complete."""

import sys

from choreography.completeness import gaps
from choreography.reactions import REACTIONS


def main() -> int:
    found = gaps(REACTIONS)
    for gap in found:
        print(gap, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
