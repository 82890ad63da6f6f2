"""The page: both styles side by side, the shop, an order, the operator's desk, figures. It decides nothing."""
