"""Fraud: is this order the customer's own?"""
