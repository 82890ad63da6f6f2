"""Payments: the customer's money, through a card processor."""
