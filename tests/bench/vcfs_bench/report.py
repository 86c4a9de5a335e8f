"""Tables of what was measured, and the targets as ratios within one run."""

# (workload, figure, what it is held against, at least this ratio, or an absolute bound). Reference "limit": the figure must be
# at most that value; a time's ratio is theirs/ours, so that more is better everywhere.
TARGETS = [
    ("seq_write_1M", "MB_s", ("local", "relay_write_1M"), 0.75),
    ("seq_write_1M", "MB_s", ("glusterfs", None), 2.0),
    ("seq_write_1M", "MB_s", ("moosefs", None), 2.0),
    ("seq_write_32K", "MB_s", ("passthrough_ll", None), 1.0),
    ("seq_write_32K", "MB_s", ("glusterfs", None), 2.0),
    ("streams_16x32K", "MB_s", ("passthrough_ll", None), 0.5),
    ("streams_16x32K", "MB_s", ("glusterfs", None), 2.5),
    ("streams_16x32K", "MB_s", ("moosefs", None), 2.5),
    ("seq_read_1M", "MB_s", ("passthrough_ll", None), 1.2),
    ("seq_read_1M", "MB_s", ("glusterfs", None), 2.0),
    ("random_read_128K", "IOPS", ("glusterfs", None), 1.5),
    ("readers_32", "MB_s", ("glusterfs", None), 1.3),
    ("recorders_sustained", "recorders", "at least", 400),
    ("recorders_50", "p99_ms", "at most", 1.0),
    ("recorders_50", "max_ms", "at most", 50.0),
    ("catch_up", "p99_to_alone", "at most", 1.5),
    ("catch_up", "MB_s_to_disk", "at least", 0.9),
    ("follower_lag", "p99_ms", "at most", 100.0),
    ("small_files_1", "create_per_s", ("moosefs", None), 2.0),
    ("small_files_8", "create_per_s", ("moosefs", None), 2.0),
    ("small_files_1", "create_per_s", "at least", 2 * 566),
    ("small_files_8", "create_per_s", "at least", 2 * 1193),
    ("small_files_1", "stat_per_s", ("glusterfs", None), 1.0),
    ("small_files_8", "stat_per_s", ("glusterfs", None), 1.0),
    ("small_files_1", "read_per_s", ("moosefs", None), 2.0),
    ("small_files_8", "read_per_s", ("moosefs", None), 2.0),
    ("small_files_1", "rename_per_s", ("moosefs", None), 1.0),
    ("small_files_8", "rename_per_s", ("moosefs", None), 1.0),
    ("small_files_1", "unlink_per_s", ("moosefs", None), 1.0),
    ("small_files_8", "unlink_per_s", ("moosefs", None), 1.0),
    ("list_long", "warm_per_s", ("glusterfs", None), 1.0),
    ("list_long", "warm_per_s", ("moosefs", None), 1.0),
    ("ffmpeg_hls", "seconds", ("moosefs", None), 1 / 0.6),
    ("ffmpeg_faststart", "seconds", ("glusterfs", None), 1 / 0.6),
    ("http_1M", "requests_per_s", ("local", None), 0.6),
    ("http_1M", "requests_per_s", ("glusterfs", None), 2.0),
    ("seq_write_1M", "cpu_s_per_GiB", ("glusterfs", None), 3.0),
    ("memory_200_recorders", "MiB", "at most", 256),
]
LESS_IS_BETTER = ("seconds", "cpu_s_per_GiB", "MiB")


def less_is_better(figure):
    return figure in LESS_IS_BETTER or figure.endswith("_ms")


def _value(results, system, workload, figure):
    return results.get(system, {}).get(workload, {}).get(figure)


def check(results, target):
    """(what is compared, ratio or value, bound, reached?), or None when something was not measured."""
    workload, figure, reference, bound = target
    ours = _value(results, "vcfs", workload, figure)
    if ours is None:
        return None
    if reference == "at most":
        return f"{workload} {figure}", ours, f"≤ {bound:g}", ours <= bound
    if reference == "at least":
        return f"{workload} {figure}", ours, f"≥ {bound:g}", ours >= bound
    system, other = reference
    theirs = _value(results, system, other or workload, figure)
    if not theirs or not ours:
        return None
    ratio = theirs / ours if less_is_better(figure) else ours / theirs
    label = "the bare relay" if other and other.startswith("relay") else system
    return f"{workload} {figure} against {label}", ratio, f"≥ {bound:.2f} ×", ratio >= bound


def figures_table(results):
    systems = list(results)
    rows = [["workload", "figure", *systems]]
    seen = []
    for system in systems:
        for workload, figures in results[system].items():
            for figure in figures:
                if (workload, figure) not in seen:
                    seen.append((workload, figure))
    for workload, figure in seen:
        values = [_value(results, s, workload, figure) for s in systems]
        rows.append([workload, figure, *["–" if v is None else v if isinstance(v, str) else f"{v:.5g}" for v in values]])
    return _align(rows)


def targets_table(results):
    rows = [["target", "measured", "wanted", ""]]
    for target in TARGETS:
        found = check(results, target)
        if found:
            what, value, wanted, reached = found
            rows.append([what, f"{value:.3g}", wanted, "reached" if reached else "MISSED"])
    return _align(rows) if len(rows) > 1 else "no target could be judged: vcfs or what it is held against was not measured"


def _align(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
