"""The protocols that streams speak, one module each; `contract` is what they have in common."""
