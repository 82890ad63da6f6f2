"""Place, follow and settle an order, in either style: one protocol and its words."""
