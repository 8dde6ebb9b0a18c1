"""Pretrained networks for encoders: from a picture to a vector of features."""
