"""Pulumi's file backend: where a stack's state stands, and what stands in it. Nothing here runs a program or a provider."""
