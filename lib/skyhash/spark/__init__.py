"""Everything that imports Spark: session, table store, neighbour search, training, user-defined functions."""

import pyarrow_hotfix  # noqa: F401  pyarrow 12 would unpickle data in crafted files (CVE-2023-47248)
