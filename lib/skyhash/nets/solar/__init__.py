"""What only networks of solar descriptors need: the Sun's rotation."""
