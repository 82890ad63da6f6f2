"""The five services of an order. None of them knows Temporal, the bus, or another service."""
