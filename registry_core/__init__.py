"""The registry itself: what a package is, who may do what, and what was proven. No HTTP, no MCP."""
