"""A small HTTP client that shows what really came: status, headers as sent, body; and connections that can be abused."""
import socket
import urllib.parse


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {self.headers} {len(self.body)} bytes>"


class Connection:
    """One connection; requests one after the other (keep-alive)."""

    def __init__(self, url, timeout=20):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, path, method="GET", **headers):
        """Header names are given with underscores: If_None_Match='…'."""
        self.send(request_bytes(path, self.host, method, **headers))
        return self.response(head=method == "HEAD")

    def _more(self):
        data = self.socket.recv(1 << 20)
        self._rest += data
        return bool(data)

    def _until(self, mark):
        while mark not in self._rest:
            if not self._more():
                raise ConnectionError(f"closed in the middle of a response: {self._rest[:200]!r}")
        found, self._rest = self._rest.split(mark, 1)
        return found

    def _exactly(self, size):
        pieces, have = [self._rest[:size]], min(size, len(self._rest))
        self._rest = self._rest[size:]
        while have < size:
            data = self.socket.recv(min(1 << 20, size - have))
            if not data:
                raise ConnectionError(f"closed after {have} of {size} bytes")
            pieces.append(data)
            have += len(data)
        return b"".join(pieces)

    def response(self, head=False):
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.strip().lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
        if head or status in (204, 304) or 100 <= status < 200:
            body = b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunked()
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            while self._more():
                pass
            body, self._rest = self._rest, b""
        return Response(status, headers, body)

    def _chunked(self):
        pieces = []
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            piece = self._exactly(size)
            self._until(b"\r\n")
            if size == 0:
                return b"".join(pieces)
            pieces.append(piece)


def request_bytes(path, host, method="GET", **headers):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def fetch(url, method="GET", **headers):
    parts = urllib.parse.urlsplit(url)
    path = parts.path + ("?" + parts.query if parts.query else "")
    with Connection(url) as c:
        return c.request(path, method, Connection="close", **headers)
