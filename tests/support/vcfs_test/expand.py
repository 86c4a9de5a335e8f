"""Families of tests: one method per row of a table, so that each has a name and fails alone."""
import re


def each(rows):
    """@each([("name", args…), …]) on a method: one test per row, called with the row's arguments."""
    def mark(method):
        method.rows = list(rows)
        return method
    return mark


def expand(cls):
    """Class decorator that puts the marked methods' rows in place."""
    for name, method in list(vars(cls).items()):
        rows = getattr(method, "rows", None)
        if rows is None:
            continue
        delattr(cls, name)
        for label, *args in rows:
            full = f"{name}_{re.sub(r'[^A-Za-z0-9]+', '_', str(label)).strip('_')}"
            if hasattr(cls, full):
                raise ValueError(f"{cls.__name__}.{full} exists twice")
            setattr(cls, full, _bind(method, args, full))
    return cls


def _bind(method, args, name):
    def test(self):
        return method(self, *args)
    test.__name__ = name
    test.__doc__ = None
    return test
