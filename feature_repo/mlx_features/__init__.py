"""The feature store on the laptop: Feast made from feature definitions, and the reader that serves without Feast.

``client`` and ``shared`` run Feast in a process of its own; ``online`` and ``on_demand`` need no Feast at all.
"""
