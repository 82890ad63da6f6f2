"""Constructs and connects what the programs run; nothing else does."""
