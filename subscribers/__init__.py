"""The periphery: subscribers to events, which no workflow and no service knows. `table.py` lists them."""
