"""Shipping: the parcel, through a courier."""
