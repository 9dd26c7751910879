"""State in a bucket. Nothing here is imported where state stands in a folder."""
