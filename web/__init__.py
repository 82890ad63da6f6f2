"""The page: both styles side by side, the shop, an order, what needs a person, figures. It decides nothing."""
