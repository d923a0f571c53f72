"""The sandbox: code of others runs in it, in processes of its own, and reaches nothing it was not given.

`Sandbox` runs one call at a time in each process and never uses a process twice. What confines them is described by
`inside.jail.Level`; `docs/reference/threat-model.md` names the test that holds each line of it.
"""
