"""The limit on the length of a reason or a note."""

from client.errors import TooLong

LONGEST = 1_000


def check_length(*texts: str) -> None:
    """Clients check it; contracts do not, since recorded histories may have longer texts. Raises TooLong."""
    longest = max(map(len, texts))
    if longest > LONGEST:
        raise TooLong(f"a reason or a note has at most {LONGEST:,} characters; this one has {longest:,}")
