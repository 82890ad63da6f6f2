"""Capacity: what an order costs each process, and the resources that all orders pass one after the other."""
