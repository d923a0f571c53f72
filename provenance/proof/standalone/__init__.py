"""What travels with an evidence pack: one Python file that checks it and needs nothing but Python."""
