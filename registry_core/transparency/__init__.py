"""The registry's transparency log: what it ever did, in an order that it cannot change unnoticed.

    merkle       RFC 6962: hashes, roots, inclusion and consistency proofs
    tiles        C2SP tlog-tiles: the tree and its entries as static files
    notes        C2SP signed-note: texts and who signed them
    checkpoints  C2SP tlog-checkpoint, tlog-cosignature: a tree's size and root, and who saw it
    proofs       C2SP tlog-proof: one file that proves offline that a leaf is in a log
    handover     how a log changes its key
    witness      C2SP tlog-witness: what a witness signs, and what it never does
    log          this registry's own: leaves of the database, tiles in the object store

All but `log` is pure and reads strangers' bytes: bounded, strict, without IO and without a clock.
"""
