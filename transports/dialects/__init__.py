"""Dialects: one module for each API this registry speaks, its own or another registry's.

A dialect reads its request, calls the core, shapes the answer as its document has it, and refuses
in its own words: `routes()` and `refuse(error)`, or an `Api` of `transports.apis`. Two dialects
share nothing but the core.
"""
