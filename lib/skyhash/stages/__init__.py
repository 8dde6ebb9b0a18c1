"""The jobs, one file each; only here all packages of skyhash come together."""
