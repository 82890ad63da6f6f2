"""Inventory: what is on the shelf, and what is held for an order."""
