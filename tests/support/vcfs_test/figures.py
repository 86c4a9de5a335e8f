"""What the fault suite measures, gathered over all its tests; `figures.py BUILD_DIR` prints the table, `--clear` forgets it.

A figure is kept as a line of JSON in <build>/tests/figures.jsonl, each time a test measured it.
"""
import json
import statistics
import sys
from pathlib import Path

FILE = "tests/figures.jsonl"

# name: (what it is, unit, promised at most)
TABLE = {
    "storage_killed": ("longest stall, a storage server killed", "ms", 100),
    "storage_cut": ("longest stall, a storage server hung or cut off", "ms", 3000),
    "viewer_killed": ("oldest byte a viewer waited for, a storage server killed", "ms", None),
    "viewer_cut": ("oldest byte a viewer waited for, a storage server hung or cut off", "ms", None),
    "disk_broken": ("longest stall, a storage server's disk full, read-only or broken", "ms", None),
    "names_killed": ("longest operation on a name, a tracker killed", "ms", 200),
    "names_hung": ("longest operation on a name, a tracker hung or cut off", "ms", 3000),
    "database_away": ("longest stall of a recorder, all of the database away for 60 s", "ms", None),
    "names_database": ("longest operation on a name, a Galera node killed, hung or cut off", "ms", None),
    "recovered": ("recorder's host gone until its recording is sealed", "s", None),
    "behind_30_mb": ("whole again, server back 30 MB behind", "s", 2),
}


def add(name, value):
    from . import env
    assert name in TABLE
    path = env.BUILD / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as f:
        f.write(json.dumps({"name": name, "value": value}) + "\n")


def table(lines):
    values = {}
    for line in lines:
        one = json.loads(line)
        values.setdefault(one["name"], []).append(one["value"])
    rows = ["| measured under faults | median | worst | runs | at most |", "|---|---|---|---|---|"]
    for name, (what, unit, limit) in TABLE.items():
        if name in values:
            numbers = values[name]
            digits = 1 if unit == "s" else 0
            rows.append(f"| {what} | {statistics.median(numbers):.{digits}f} {unit} | {max(numbers):.{digits}f} {unit} |"
                        f" {len(numbers)} | {f'{limit} {unit}' if limit else ''} |")
    return rows


def main():
    path = Path(sys.argv[-1]) / FILE
    if "--clear" in sys.argv:
        path.unlink(missing_ok=True)
    elif path.exists():
        print("\n".join(table(path.read_text().splitlines())))


if __name__ == "__main__":
    main()
