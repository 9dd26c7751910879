"""What the SDK's types call this provider."""

PACKAGE = "kubernetes"
VERSION = "4.34.2"
"""Of the SDK whose types are served; an engine looks its plugin up by it."""
