"""Corridor, the way to a proof: records are attested, the journal's head is signed and co-signed, everything is held
against it again, and evidence of a run is written and verified.
"""
