"""Guards: what stands between the network and every endpoint, one small ASGI class each.

A guard refuses through the `refuse` it is given, because it does not know whose words a path
speaks. Guards do not know each other either; their order is written in `transports.http`.
"""
