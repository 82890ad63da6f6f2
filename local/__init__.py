"""Everything on one machine without effort: a Temporal server, a worker that is started again, the demo, the bench."""
