"""How the node stands.

Modules:
    readiness   can this node serve, and if not, what is missing
"""
