"""What is Spark's: session, checked store, UDFs, launchers and readers of training."""

import pyarrow_hotfix  # noqa: F401  pyarrow 12 would else unpickle what a crafted file asks for (CVE-2023-47248)
