"""`python -m schemas`: write `docs/events/` from the code, or check it."""

import argparse
import sys
from pathlib import Path

from schemas.compatibility import broken
from schemas.contracts import FILE, broken_contracts, document
from schemas.export import documents
from schemas.names import FOLDER

GOOD, BAD, BAD_INPUT = 0, 1, 2

DOCS = Path(__file__).parent.parent / FOLDER
CONTRACTS = Path(__file__).parent.parent / FILE

_INSTEAD = """\
Keep the event unchanged, and publish a new one beside it, under its own name; remove the old one once no consumer \
reads it and no archive has it. If no consumer can be affected: python -m schemas --allow-breaking"""


def main() -> int:
    asked = _parser().parse_args()
    baseline = asked.against or DOCS
    contracts = (asked.against or DOCS).parent / CONTRACTS.name
    if asked.against and not baseline.is_dir():
        return _complain([f"{baseline} is no folder"], BAD_INPUT)
    try:
        reasons = broken(_read(baseline), documents())
        reasons += broken_contracts(contracts.read_text() if contracts.exists() else "")
        if reasons and not asked.allow_breaking:
            return _complain([*reasons, _INSTEAD], BAD)
        if asked.check:
            stale = [f"{FOLDER}/{name} is out of date; run `make schemas`" for name in _stale()]
            if _are_contracts_stale():
                stale.append(f"{FILE} is out of date; run `make schemas`")
            return _complain(stale, BAD)
        _write()
        return _complain(reasons, GOOD)
    except OSError as error:
        return _complain([str(error)], BAD_INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m schemas", description=f"Write {FOLDER}/ from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; report what is out of date")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help=f"what readers were made for, such as {FOLDER}/ of the last release (default: {FOLDER}/ itself)",
    )
    parser.add_argument("--allow-breaking", action="store_true", help="write the schemas even if readers may fail")
    return parser


def _read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.json")}


def _are_contracts_stale() -> bool:
    return not CONTRACTS.exists() or CONTRACTS.read_text() != document()


def _stale() -> list[str]:
    there, wanted = _read(DOCS), documents()
    return sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))


def _write() -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    if _are_contracts_stale():
        CONTRACTS.write_text(document(), encoding="utf-8", newline="\n")
        print(f"{FILE} is written")
    wanted = documents()
    for name in _stale():
        if name in wanted:
            (DOCS / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (DOCS / name).unlink()
        print(f"{FOLDER}/{name} is {'written' if name in wanted else 'removed'}")


def _complain(lines: list[str], code: int) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return code if lines else GOOD


if __name__ == "__main__":
    sys.exit(main())
