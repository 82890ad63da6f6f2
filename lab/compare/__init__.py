"""The two styles compared: the same seeded orders, faults and crashes through each, and one table of what they cost."""
