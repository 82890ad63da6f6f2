"""How much a person may say in a reason or a note."""

from client.errors import TooLong

LONGEST = 1_000


def check_length(*texts: str) -> None:
    """For clients: contracts do not check it, since recorded histories may have longer ones. Raises TooLong."""
    longest = max(map(len, texts))
    if longest > LONGEST:
        raise TooLong(f"a reason or a note has at most {LONGEST:,} characters; this one has {longest:,}")
