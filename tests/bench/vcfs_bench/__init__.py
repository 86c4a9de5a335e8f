"""The bench: vcfs, its limits and its peers, side by side."""
