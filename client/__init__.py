"""What clients use to place, follow and settle orders: one protocol for both styles, and its types."""
