"""What the services' migrations share: Alembic's entry point, and the tables that every service has."""
