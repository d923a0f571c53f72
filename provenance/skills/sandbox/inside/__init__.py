"""What runs in the processes of the sandbox: the standard library alone, and nothing else of the platform.

`zygote` is the fork server, `jail` what a process does to itself before code of others runs in it, and `python_main`,
`node_main.mjs` and `wasm_main` call a skill's handler. Nothing here may import a module above this folder.
"""
