"""The schemas of all events, as `docs/events/` shows them, and the check that no change of them breaks a reader."""
