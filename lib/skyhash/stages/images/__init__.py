"""From files to images: ingest, describe, and simulated archives."""
