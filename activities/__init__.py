"""The services as Temporal activities: Temporal in, service out, nothing in between."""
