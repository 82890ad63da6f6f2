"""Events from services to whoever is interested: outbox, relay, bus, consumers with an inbox. Knows no orders."""
