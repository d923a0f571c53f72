"""Legal holds: rows that neither an erasure nor retention may touch. Owns `legal_holds`."""
