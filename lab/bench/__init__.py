"""What an order costs, beside a bare workflow."""
