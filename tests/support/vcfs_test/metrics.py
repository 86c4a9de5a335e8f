"""Reads Prometheus' text format 0.0.4, stricter than Prometheus: what is not exactly as it should be is an error."""
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")
_HELP = re.compile(rf"# HELP ({_NAME}) (\S.*)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge)")
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Metrics:
    def __init__(self, text):
        """Each metric stands in one piece: HELP, TYPE, then its samples. Raises ValueError that quotes the line."""
        self.types, self.samples = {}, {}
        self._helped = self._open = None
        if not text.endswith("\n"):
            raise ValueError("the last line has no end")
        for line in text[:-1].split("\n"):
            self._take(line)

    def _take(self, line):
        if m := _HELP.fullmatch(line):
            self._helped, self._open = m[1], None
        elif m := _TYPE.fullmatch(line):
            if m[1] in self.types or m[1] != self._helped or (m[2] == "counter") != m[1].endswith("_total"):
                raise ValueError(f"TYPE repeated, without its HELP or against the name: {line!r}")
            self.types[m[1]] = m[2]
            self._open = m[1]
        elif m := _SAMPLE.fullmatch(line):
            labels = [(k, re.sub(r"\\.", lambda e: _ESCAPED[e[0]], v)) for k, v in re.findall(_LABEL, m[2] or "")]
            key = (m[1], frozenset(labels))
            if m[1] != self._open or key in self.samples or len(dict(labels)) != len(labels):
                raise ValueError(f"repeated, or not below its own HELP and TYPE: {line!r}")
            self.samples[key] = float(m[7])
        else:
            raise ValueError(f"not of the format: {line!r}")

    def value(self, name, **labels):
        """Of the one sample with exactly these labels; None when there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def find(self, name, **labels):
        """[(all labels, value)] of the samples that have these labels among others."""
        return [(dict(have), value) for (n, have), value in self.samples.items() if n == name and labels.items() <= dict(have).items()]
