"""Graph to program to plan to apply: what the CLI's verbs do. Prints nothing; events go to the caller."""
