"""What the services' migrations share: Alembic's entry, and the tables that every service has."""
