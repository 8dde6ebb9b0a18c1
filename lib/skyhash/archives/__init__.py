"""Archives: one file per archive; its docstring teaches the instrument and each header quirk."""
