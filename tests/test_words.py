"""What people read, in help texts, docs, identifiers, comments and messages, has none of the terms that we dropped."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
# What is kept as it was written: records of decisions, changes of the past, and releases of the past.
KEPT = ("docs/decisions/", "docs/glossary.md", "CHANGELOG.md", "tests/releases/", "tests/histories/")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")  # of camelCase and snake_case, too


def _dropped() -> list[str]:
    """The terms on the left of the glossary's last table."""
    table = GLOSSARY.read_text().partition("## Terms that we no longer use")[2]
    rows = re.findall(r"^\| ([^|]+) \|[^|]+\|$", table, re.MULTILINE)
    return [term.strip() for row in rows[1:] for term in row.split(",") if "--" not in term]


DROPPED = _dropped()


def _texts() -> Iterator[Path]:
    for pattern in ("*.py", "*.md", "Makefile"):
        for path in sorted(ROOT.rglob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith((".", "data/", *KEPT)):
                yield path


def found_in(text: str) -> list[str]:
    """The dropped terms that a text has, each with its line's number."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = f" {' '.join(WORD.findall(line))} ".lower()
        found += [f"{number}: {term}" for term in DROPPED if f" {term} " in words]
    return found


def test_the_glossary_lists_the_terms_that_were_dropped() -> None:
    assert {"conductor", "tells", "so many", "anew"} <= set(DROPPED)


@pytest.mark.parametrize("text", ["it tells", "def not_told()", "class HeardOrder", "for so many seconds"])
def test_a_dropped_term_is_found_in_prose_and_in_names(text: str) -> None:
    assert found_in(text)


def test_no_text_has_a_dropped_term() -> None:
    found = {path.relative_to(ROOT).as_posix(): found_in(path.read_text()) for path in _texts()}
    del found["tests/test_words.py"]
    assert {name: terms for name, terms in found.items() if terms} == {}
