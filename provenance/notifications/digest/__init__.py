"""The audit by mail: what happened since the last digest, each day, week or month.

Owns ``audit_digests``. A digest is one mail, however many workers there are and whenever one of them dies: the moment
before its text is handed to the mail server is written down, and what was handed over is never handed over again.
"""
