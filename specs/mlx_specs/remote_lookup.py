"""What an endpoint or a stream on a cluster is told of how its rows are completed."""

from typing import Literal

from mlx_specs.feature_resources import FeatureLookup
from mlx_specs.resources import Wire


class RemoteLookup(Wire):
    """/mlx/features.json of an endpoint; a part of /mlx/object.json of a stream."""

    lookup: FeatureLookup
    online_store: Literal["redis", "postgres"]
    awaited: bool = False
    """Whether a Job fills it: before its views have been filled once, nobody is answered and nothing is scored."""
    code: str = ""
    """The modules of feature_repo/ that on-demand views need: a zip file in base64."""
