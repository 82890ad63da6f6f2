"""A catalogue as people write it."""

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.catalogue import CatalogueSettings
from kernel.errors import SettingsError


def product(**changes: Any) -> dict[str, Any]:
    return {"sku": "mug", "name": "Mug", "unit_price": 1200, "stock": 5} | changes


def read(folder: Path, *products: dict[str, Any], text: str = "") -> str:
    """Why it is refused."""
    file = folder / "catalogue.json"
    file.write_text(text or json.dumps({"currency": "EUR", "products": products}))
    with pytest.raises(SettingsError) as refused:
        CatalogueSettings(catalogue=file).products()
    return str(refused.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"unit_price": 10**15}, "unit_price: must be at most 1000000000000"),
        ({"unit_price": 10**30}, "is too large: more than 64 bits"),
        ({"unit_price": 12.0}, "unit_price: must be a whole number"),
        ({"unit_price": "12"}, "unit_price: must be a whole number"),
        ({"stock": -1}, "stock: must be at least 0"),
        ({"stock": True}, "stock: must be a whole number"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(tmp_path: Path, changes: dict[str, Any], complaint: str) -> None:
    assert complaint in read(tmp_path, product(**changes))


def test_what_is_there_twice_is_refused(tmp_path: Path) -> None:
    assert "the product mug is listed twice" in read(tmp_path, product(), product(name="Another"))
    twice = json.dumps({"currency": "EUR", "products": [product()]}).replace('"stock"', '"stock": 1, "stock"')
    assert "the key 'stock' occurs twice" in read(tmp_path, text=twice)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps({"currency": "EUR", "products": [product(name="Café")]}), encoding="utf-8-sig")
    assert [each.name for each in CatalogueSettings(catalogue=file).products()] == ["Café"]
