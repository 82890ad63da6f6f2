"""The order without an orchestrator: each event decides what is next. `reactions.py` is the whole flow."""
