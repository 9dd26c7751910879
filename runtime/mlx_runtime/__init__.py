"""What runs in containers and on the laptop: preparation, packaging, the one scorer, the model server, batch runs.

Enters: prepared data, fitted estimators, artifacts. Leaves: artifacts, predictions, answers, verdicts. Knows no resource, no
pipeline and no registry; heavy libraries are imported where they are used.
"""
