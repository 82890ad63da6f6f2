"""The laboratory: demo, comparison, benchmark, outages, faults and development servers. Nothing shipped imports it."""
