"""The groups of rules: what each remembers, and whether it fires. Owns ``alert_states``; listens to nothing."""
