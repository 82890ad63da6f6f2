"""The shared kernel, which all parts build on: contracts, errors, envelope, database, operations, outbox, inbox."""
