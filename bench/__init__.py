"""Measurements of a real installation: `python -m bench --help`.

Every figure is taken from real processes on a durable PostgreSQL, beside the limit that the same machine shows in
the same minutes, because a figure without its limit says more about the machine than about the product.
"""
