"""The commands of `starter.py`."""
