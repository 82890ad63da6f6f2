"""Fraud: screens orders, and holds possible frauds for a person's decision."""
