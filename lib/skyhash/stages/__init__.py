"""The jobs; only here all packages of skyhash come together."""
