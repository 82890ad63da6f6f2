"""Orchestration: a workflow decides what happens next. It depends on the services' contracts only."""
