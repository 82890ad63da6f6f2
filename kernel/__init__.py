"""The shared kernel, under everything: contracts, errors, envelope, database, operations, outbox, inbox."""
