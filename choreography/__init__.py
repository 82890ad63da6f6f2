"""The order saga without an orchestrator: each event triggers what comes next. `reactions.py` has the whole flow."""
