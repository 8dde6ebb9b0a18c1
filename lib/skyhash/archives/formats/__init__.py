"""File formats and tables beside images: FITS, PGM, pictures, keyword tables, manifests, times."""
