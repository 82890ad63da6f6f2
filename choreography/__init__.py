"""The order without a conductor: each event decides what is next. `reactions.py` is the whole flow."""
