"""Do money, stock and parcels add up? Checked over all databases, as a bank checks its ledgers."""
