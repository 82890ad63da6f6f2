"""A module a page: its addresses, and what it shows and accepts."""
