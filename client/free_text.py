"""How much a person may say in a reason or a note."""

from client.errors import TooLong

LONGEST = 1_000


def check_length(text: str) -> None:
    """For clients: contracts do not check it, since recorded histories may have longer ones. Raises TooLong."""
    if len(text) > LONGEST:
        raise TooLong(f"a reason or a note has at most {LONGEST:,} characters; this one has {len(text):,}")
