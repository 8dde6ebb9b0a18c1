"""Pretrained networks that encoders build on: pictures in, one feature vector per picture out."""
