"""How a registry travels: HTTP, events, and the shapes of other registries' APIs."""
