"""Orders: what was ordered, at which price, and how it ended."""
