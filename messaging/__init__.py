"""Events from services to consumers: outbox, relay, bus, consumers with an inbox. Knows no orders."""
