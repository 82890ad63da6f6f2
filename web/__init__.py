"""The page: both styles side by side, shop, orders, attention, figures. It makes no decisions."""
