"""Clusters on the clouds: one file a provider, of plain resources of that cloud's own Pulumi package."""
