"""Orchestration: the workflow decides what is next. Knows the services' contracts, and nothing inside them."""
