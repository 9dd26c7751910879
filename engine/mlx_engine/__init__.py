"""Runs a Pulumi program on one of two hosts; knows nothing of machine learning and imports nothing of ours."""
