"""What a spec becomes: one Pulumi component a kind, whose children are resources. Declares, never does.

Enters: a frozen spec and the components it refers to. Leaves: resources in Pulumi's graph and typed outputs.
"""
