"""The periphery: who listens to events and is known to no workflow and no service. `table.py` lists them."""
