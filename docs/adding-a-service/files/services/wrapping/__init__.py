"""Wrapping: every parcel is a gift."""
