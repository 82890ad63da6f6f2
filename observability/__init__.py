"""Metrics, health and structured logs: off until configured, and then nothing here is imported.

`wiring/observability.py` is the only place that imports this package.
"""
