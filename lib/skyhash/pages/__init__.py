"""Pictures and the HTML report: numpy and pandas in, PNG and HTML out."""
