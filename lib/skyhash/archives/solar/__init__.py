"""Solar magnetograms: FITS of HMI and MDI, Helioviewer's JPEG, simulated HMI."""
