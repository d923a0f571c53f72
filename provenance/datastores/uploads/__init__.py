"""Taking bytes in: an upload is asked for, then its address takes the bytes, whole or in parts (row 96).

`taking` has the ways in: an address of ours, whose content is checked while it passes; parts of it, to go on after a
break; an address of the object store itself, looked at when somebody asks for the object; and the steps of runs.
"""
