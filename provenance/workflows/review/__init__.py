"""Reviews: what a version may do that another may not, and which effects no approval stands before.

Read from the graph, without running it. Owns no table.
"""
