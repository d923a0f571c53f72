"""Skills: sandboxed functions that steps, agents and people call (spec/automation.md, 4.2 and 5.4)."""
