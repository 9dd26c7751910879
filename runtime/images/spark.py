"""What a Spark application of ours starts, as /opt/mlx/spark.py of its image: the program that a Job runs, in the driver.

The executors score streams and batches; preparation is not spread over them.
"""

import sys

from mlx_runtime.cluster.__main__ import main

if __name__ == "__main__":
    sys.exit(main(spread=True))
