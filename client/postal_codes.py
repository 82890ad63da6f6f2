"""The countries that have no postal codes, by ISO 3166; after the Universal Postal Union's addressing guides."""

_CODES = """
AE AG AO AW BF BI BJ BO BQ BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GM GQ GY HK
KI KM KN KP ML MO MR MW NR NU QA RW SB SC SL SR ST SX SY TD TG TK TL TO TV UG VU YE ZW
"""
WITHOUT_POSTAL_CODES = frozenset(_CODES.split())
