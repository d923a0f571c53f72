"""Skills: sandboxed functions that steps, agents and people call (spec/automation.md, 4.2 and 5.4).

Owns `skills`, `skill_versions`, `skill_packages` and `skill_uses`; listens to no event. A skill is a name, schemas and
limits; its code comes as a package, and each change of what a call does makes a version that never changes again.
`calling.Skills` runs them, by the `sandbox`; `builtin` holds packages that come with the platform.
"""
