"""Support of the black-box tests: clusters, mounts, recorders and followers. Standard library only."""
