"""What every feature stands on and no feature owns: settings, database access, errors, ids, time, the door.

Nothing here knows a feature (import-linter holds it so).
"""
