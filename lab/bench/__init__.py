"""The benchmark: the cost of an order, compared with a bare workflow and DBOS."""
