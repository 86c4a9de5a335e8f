"""Files over HTTP: headers, ranges, conditions, listings, and the clients people use."""
import email.utils
import json
import os
import re
import subprocess
import threading
import time
import unittest

from vcfs_test import env, shared
from vcfs_test.expand import each, expand
from vcfs_test.files import pattern
from vcfs_test.http import Connection, fetch
from vcfs_test.metrics import Metrics
from vcfs_test.wait import wait_for

SIZE = 1_500_007
DATA = pattern(SIZE)


class HttpCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = shared.cluster()
        cls.url = cls.cluster.url
        cls.folder = cls.cluster.mount / "web"
        cls.folder.mkdir(exist_ok=True)
        if not (cls.folder / "file.bin").exists():
            (cls.folder / "file.bin").write_bytes(DATA)
            then = time.time() - 3600
            os.utime(cls.folder / "file.bin", (then, then))  # in its first second a file has no Last-Modified
        cls.file = cls.url + "/web/file.bin"

    def run_tool(self, *line, timeout=60):
        return subprocess.run(list(map(str, line)), capture_output=True, timeout=timeout, check=False)


@expand
class Get(HttpCase):
    def test_whole_file(self):
        r = fetch(self.file)
        self.assertEqual((r.status, r.headers["content-length"], r.body), (200, str(SIZE), DATA))
        self.assertEqual(r.headers["accept-ranges"], "bytes")

    def test_by_id(self):
        number = self.cluster.stat("/web/file.bin")["id"]
        self.assertEqual(fetch(f"{self.url}/files/{number}").body, DATA)

    def test_head_has_the_headers_of_get_and_no_body(self):
        a, b = fetch(self.file), fetch(self.file, "HEAD")
        for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
            self.assertEqual(a.headers[name], b.headers[name], name)

    def test_empty_file(self):
        (self.folder / "empty").write_bytes(b"")
        r = fetch(self.url + "/web/empty")
        self.assertEqual((r.status, r.headers["content-length"], r.body), (200, "0", b""))

    def test_last_modified_is_the_mtime(self):
        when = email.utils.parsedate_to_datetime(fetch(self.file).headers["last-modified"]).timestamp()
        self.assertEqual(int(when), int(os.stat(self.folder / "file.bin").st_mtime))

    @each([(extension, extension, expected) for extension, expected in (
        ("mp4", "video/mp4"), ("mkv", "video/x-matroska"), ("webm", "video/webm"), ("ts", "video/mp2t"),
        ("wav", "audio/"), ("mp3", "audio/mpeg"), ("ogg", "ogg"), ("m3u8", "mpegurl"), ("m4s", "video/"),
        ("mpd", "application/dash+xml"), ("jpg", "image/jpeg"), ("txt", "text/plain"), ("json", "application/json"),
        ("html", "text/html"), ("unknownext", "application/octet-stream"))])
    def test_type_of(self, extension, expected):
        (self.folder / f"x.{extension}").write_bytes(b"x")
        self.assertIn(expected, fetch(f"{self.url}/web/x.{extension}", "HEAD").headers["content-type"].lower())

    @each([("space", "a b"), ("umlaut", "ä"), ("percent", "100%"), ("plus", "a+b"), ("question_mark", "what?"), ("hash", "a#b"),
           ("quotes", "\"'"), ("chinese", "会议"), ("angle", "<b>")])
    def test_name_with(self, name):
        import urllib.parse
        (self.folder / name).write_bytes(name.encode())
        self.assertEqual(fetch(f"{self.url}/web/{urllib.parse.quote(name, safe='')}").body, name.encode())

    def test_absent_is_404(self):
        for path in ("/web/absent", "/absent/x", "/files/99999999999", "/web/file.bin/x"):
            self.assertEqual(fetch(self.url + path).status, 404, path)

    def test_symlinks_are_followed_inside_the_store(self):
        link = self.folder / "link"
        if not link.is_symlink():
            link.symlink_to("file.bin")
        self.assertEqual(fetch(self.url + "/web/link").body, DATA)

    def test_symlinks_do_not_lead_out_of_the_store(self):
        for name, target in (("out1", "/etc/passwd"), ("out2", "../../../../../../etc/passwd")):
            link = self.folder / name
            if not link.is_symlink():
                link.symlink_to(target)
            r = fetch(f"{self.url}/web/{name}")
            self.assertNotIn(b"root:", r.body)
            self.assertGreaterEqual(r.status, 400)

    def test_keep_alive_and_pipelining(self):
        from vcfs_test.http import request_bytes
        with Connection(self.url) as c:
            for _ in range(20):
                self.assertEqual(c.request("/web/file.bin", Range="bytes=5-9").body, DATA[5:10])
            c.send(b"".join(request_bytes("/web/file.bin", c.host, Range=f"bytes={i}-{i}") for i in range(10)))
            self.assertEqual(b"".join(c.response().body for _ in range(10)), DATA[:10])

    def test_http_1_0(self):
        with Connection(self.url) as c:
            c.send(b"GET /web/file.bin HTTP/1.0\r\n\r\n")
            self.assertEqual(c.response().body, DATA)
            self.assertFalse(c.socket.recv(1))

    def test_a_query_is_ignored(self):
        self.assertEqual(fetch(self.file + "?t=12345").body, DATA)

    def test_other_methods_are_405_and_change_nothing(self):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            r = fetch(self.file, method, Content_Length="0")
            self.assertIn(r.status, (405, 501), method)
        self.assertEqual((self.folder / "file.bin").read_bytes(), DATA)


RANGES = [
    ("first_byte", "bytes=0-0", DATA[:1]),
    ("middle", "bytes=1000-4999", DATA[1000:5000]),
    ("open_ended", f"bytes={SIZE - 10}-", DATA[-10:]),
    ("suffix", "bytes=-7", DATA[-7:]),
    ("end_beyond_the_file", f"bytes={SIZE - 5}-99999999", DATA[-5:]),
    ("suffix_longer_than_the_file", "bytes=-99999999", DATA),
    ("everything", "bytes=0-", DATA),
    ("spaces", "bytes= 5-6", DATA[5:7]),
]


@expand
class Ranges(HttpCase):
    @each(RANGES)
    def test_single(self, text, expected):
        r = fetch(self.file, Range=text)
        self.assertEqual((r.status, r.body), (206, expected))
        first, last, total = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", r.headers["content-range"]).groups()
        self.assertEqual((DATA[int(first):int(last) + 1], int(total)), (expected, SIZE))

    @each([("beyond", f"bytes={SIZE}-"), ("far_beyond", "bytes=99999999999-"), ("suffix_of_nothing", "bytes=-0")])
    def test_unsatisfiable(self, text):
        r = fetch(self.file, Range=text)
        self.assertEqual((r.status, r.headers["content-range"]), (416, f"bytes */{SIZE}"))

    @each([("letters", "bytes=a-b"), ("backwards", "bytes=9-5"), ("other_unit", "lines=1-2"), ("empty", "bytes="),
           ("negative", "bytes=--5"), ("overflow", "bytes=99999999999999999999999-")])
    def test_malformed_is_ignored_or_refused(self, text):
        r = fetch(self.file, Range=text)
        self.assertIn(r.status, (200, 400, 416))
        if r.status == 200:
            self.assertEqual(r.body, DATA)

    def test_multiple_ranges_come_as_multipart(self):
        r = fetch(self.file, Range="bytes=0-9,500-599,-5")
        self.assertEqual(r.status, 206)
        boundary = re.search(r"multipart/byteranges;\s*boundary=\"?([^\";]+)", r.headers["content-type"]).group(1)
        parts = r.body.split(b"--" + boundary.encode())
        bodies = [p.split(b"\r\n\r\n", 1)[1][:-2] for p in parts[1:-1]]
        self.assertEqual(bodies, [DATA[:10], DATA[500:600], DATA[-5:]])
        self.assertTrue(parts[-1].startswith(b"--"))

    def test_a_thousand_ranges_do_not_multiply_the_work(self):
        text = "bytes=" + ",".join("0-" for _ in range(1000))
        with Connection(self.url) as c:
            r = c.request("/web/file.bin", Range=text)
        self.assertIn(r.status, (200, 206, 400, 416, 431))
        self.assertLess(len(r.body), 4 * SIZE)

    def test_head_with_a_range(self):
        r = fetch(self.file, "HEAD", Range="bytes=0-9")
        self.assertEqual((r.status, r.headers["content-length"]), (200, str(SIZE)))


class Conditions(HttpCase):
    def test_if_none_match(self):
        etag = fetch(self.file, "HEAD").headers["etag"]
        self.assertTrue(etag.startswith('"'), "a strong tag")
        r = fetch(self.file, If_None_Match=etag)
        self.assertEqual((r.status, r.body, r.headers["etag"]), (304, b"", etag))
        self.assertEqual(fetch(self.file, If_None_Match=f'"other", {etag}').status, 304)
        self.assertEqual(fetch(self.file, If_None_Match="*").status, 304)
        self.assertEqual(fetch(self.file, If_None_Match='"other"').status, 200)

    def test_if_modified_since(self):
        when = fetch(self.file, "HEAD").headers["last-modified"]
        self.assertEqual(fetch(self.file, If_Modified_Since=when).status, 304)
        self.assertEqual(fetch(self.file, If_Modified_Since="Sat, 01 Jan 2000 00:00:00 GMT").status, 200)
        self.assertEqual(fetch(self.file, If_Modified_Since="yesterday").status, 200)

    def test_if_range(self):
        etag = fetch(self.file, "HEAD").headers["etag"]
        self.assertEqual(fetch(self.file, Range="bytes=0-4", If_Range=etag).status, 206)
        r = fetch(self.file, Range="bytes=0-4", If_Range='"other"')
        self.assertEqual((r.status, r.body), (200, DATA))

    def test_the_tag_changes_with_the_content(self):
        path = self.folder / "changing"
        seen = set()
        for content in (b"one", b"two", b"three", b"thre2"):
            path.write_bytes(content)
            r = fetch(self.url + "/web/changing")
            self.assertEqual(r.body, content)
            seen.add(r.headers["etag"])
        with open(path, "r+b") as f:
            f.write(b"T")
        seen.add(fetch(self.url + "/web/changing").headers["etag"])
        self.assertEqual(len(seen), 5)

    def test_a_replaced_file_is_served_within_100_ms(self):
        for i in range(20):
            temporary = self.folder / "tmp"
            temporary.write_bytes(b"%d" % i)
            os.rename(temporary, self.folder / "replaced")
            wait_for(lambda i=i: fetch(self.url + "/web/replaced").body == b"%d" % i, 0.1, f"version {i}", interval=0.005)


class Listings(HttpCase):
    def test_page_for_people(self):
        r = fetch(self.url + "/web/")
        self.assertEqual(r.status, 200)
        self.assertIn("text/html", r.headers["content-type"])
        self.assertIn(b"file.bin", r.body)

    def test_names_are_escaped(self):
        (self.folder / "<script>alert(1)</script>".replace("/", "_")).write_bytes(b"x")
        self.assertNotIn(b"<script>alert", fetch(self.url + "/web/").body)

    def test_json(self):
        r = fetch(self.url + "/web/", Accept="application/json")
        self.assertIn("application/json", r.headers["content-type"])
        value = json.loads(r.body)
        entries = value if isinstance(value, list) else value["entries"]
        self.assertEqual({e["name"]: e["size"] for e in entries if e["name"] == "file.bin"}, {"file.bin": SIZE})

    def test_without_the_slash(self):
        r = fetch(self.url + "/web")
        self.assertIn(r.status, (200, 301, 302, 307, 308))
        if r.status != 200:
            self.assertTrue(r.headers["location"].endswith("/web/"))

    def test_root(self):
        self.assertIn(b"web", fetch(self.url + "/").body)

    def test_a_large_directory(self):
        folder = self.cluster.mount / "many"
        folder.mkdir(exist_ok=True)
        for i in range(5000):
            os.close(os.open(folder / f"f{i}", os.O_CREAT | os.O_WRONLY))
        r = fetch(self.url + "/many/", Accept="application/json")
        value = json.loads(r.body)
        self.assertEqual(len(value if isinstance(value, list) else value["entries"]), 5000)


class Monitoring(HttpCase):
    def scrape(self):
        r = fetch(self.url + "/metrics")
        self.assertEqual((r.status, r.headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        return Metrics(r.body.decode())

    def test_the_whole_cluster_is_told(self):
        m, status = self.scrape(), self.cluster.status()
        self.assertEqual(m.value("vcfs_cluster_reachable"), 1)
        self.assertEqual(sorted((labels["name"], up) for labels, up in m.find("vcfs_up", role="storage")),
                         sorted((s["name"], 1) for s in status["storages"]))
        self.assertEqual(len(m.find("vcfs_storage_free_bytes")), 2)
        for role in ("tracker", "idserver", "httpd", "mount"):
            self.assertEqual([up for _, up in m.find("vcfs_up", role=role)], [1], role)
        self.assertEqual(m.value("vcfs_tracker_coordinator", address=status["coordinator"]), 1)
        self.assertIsNotNone(m.value("vcfs_files", state="degraded"))
        self.assertGreater(m.value("vcfs_httpd_requests_total"), 0)

    def test_the_manual_lists_every_metric(self):
        manual = (env.SOURCE / "docs/operations.md").read_text()
        self.assertEqual([name for name in self.scrape().types if f"`{name}`" not in manual], [])


class Tools(HttpCase):
    def setUp(self):
        import tempfile
        self.out = tempfile.mkdtemp(dir=shared.scratch())

    def content(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def test_curl(self):
        r = self.run_tool("curl", "-sSf", self.file)
        self.assertEqual((r.returncode, r.stdout), (0, DATA))

    def test_curl_resumes(self):
        with open(self.out + "/f", "wb") as f:
            f.write(DATA[:700_000])
        self.assertEqual(self.run_tool("curl", "-sSf", "-C", "-", "-o", self.out + "/f", self.file).returncode, 0)
        self.assertEqual(self.content("f"), DATA)

    def test_wget(self):
        r = self.run_tool("wget", "-q", "-P", self.out, self.file)
        self.assertEqual((r.returncode, self.content("file.bin")), (0, DATA))

    def test_wget_c(self):
        with open(self.out + "/file.bin", "wb") as f:
            f.write(DATA[:1_000_000])
        r = self.run_tool("wget", "-q", "-c", "-P", self.out, self.file)
        self.assertEqual((r.returncode, self.content("file.bin")), (0, DATA))

    def test_wget_n_does_not_fetch_twice(self):
        self.run_tool("wget", "-q", "-N", "-P", self.out, self.file)
        first = os.stat(self.out + "/file.bin").st_ino
        r = self.run_tool("wget", "-N", "-P", self.out, self.file)
        self.assertEqual(r.returncode, 0)
        self.assertEqual(os.stat(self.out + "/file.bin").st_ino, first)
        self.assertEqual(self.content("file.bin"), DATA)

    def test_wget_recursive_through_the_listing(self):
        folder = self.cluster.mount / "tree"
        os.makedirs(folder / "sub", exist_ok=True)
        (folder / "a").write_bytes(b"a")
        (folder / "sub/b").write_bytes(b"b")
        self.run_tool("wget", "-q", "-r", "-np", "-nH", "-P", self.out, self.url + "/tree/")
        self.assertEqual((self.content("tree/a"), self.content("tree/sub/b")), (b"a", b"b"))


class Abuse(HttpCase):
    """Hostile or careless clients."""

    def assert_alive(self):
        self.assertEqual(fetch(self.file, Range="bytes=0-9").body, DATA[:10])

    def status_of(self, data):
        with Connection(self.url, timeout=15) as c:
            try:
                c.send(data)
                return c.response().status
            except (ConnectionError, OSError):
                return 0  # thrown out without an answer

    def test_requests_that_are_none(self):
        for data in (b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET  / HTTP/1.1\r\nHost\r\n\r\n",
                     b"\x00\x01\x02\r\n\r\n", b"GET /web/file.bin HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                     b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"):
            status = self.status_of(data)
            self.assertTrue(status == 0 or 400 <= status <= 505, (data, status))
        self.assert_alive()

    def test_endless_headers_are_refused(self):
        data = b"GET /web/file.bin HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(2000))
        status = self.status_of(data + b"\r\n")
        self.assertIn(status, (0, 400, 413, 431))
        self.assert_alive()

    def test_an_endless_request_line_is_refused(self):
        self.assertIn(self.status_of(b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"), (0, 400, 404, 413, 414, 431))
        self.assert_alive()

    def test_paths_that_climb(self):
        for path in ("/../../etc/passwd", "/web/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/web/..%2f..%2fetc/passwd",
                     "//etc/passwd", "/web/%2e%2e%2f%2e%2e%2fetc%2fpasswd"):
            r = fetch(self.url + path)
            self.assertTrue(400 <= r.status < 500 or (r.status in (301, 302, 308)), (path, r.status))
            self.assertNotIn(b"root:", r.body)

    def test_nul_and_bad_escapes_are_400(self):
        for path in ("/web/file.bin%00.html", "/%", "/%zz", "/web/%0"):
            self.assertIn(fetch(self.url + path).status, (400, 404), path)

    def test_names_longer_than_255_bytes(self):
        self.assertIn(fetch(self.url + "/web/" + "n" * 300).status, (400, 404, 414))

    def test_bad_ids(self):
        for number in ("0", "-1", "abc", "18446744073709551616", "1"):
            self.assertIn(fetch(f"{self.url}/files/{number}").status, (400, 404), number)

    def test_a_client_that_leaves_in_the_middle(self):
        for _ in range(30):
            with Connection(self.url) as c:
                c.send(b"GET /web/file.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                c.socket.recv(1000)
        self.assert_alive()

    def test_slow_readers_hold_neither_memory_nor_others(self):
        big = self.folder / "big.bin"
        if not big.exists():
            big.write_bytes(DATA * 40)
        before = self.cluster.rss_bytes("httpd0")
        slow = [Connection(self.url) for _ in range(50)]
        try:
            for c in slow:
                c.send(b"GET /web/big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            for c in slow:
                c.socket.recv(1000)
            self.assert_alive()
            self.assertEqual(fetch(self.url + "/web/file.bin").body, DATA)
            self.assertLess(self.cluster.rss_bytes("httpd0") - before, 400 << 20)
        finally:
            for c in slow:
                c.close()

    def test_ten_thousand_idle_connections(self):
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 10_000
        if hard < wanted + 200:
            self.skipTest(f"at most {hard} descriptors here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 200), hard))
        before = self.cluster.rss_bytes("httpd0")
        idle = []
        try:
            for i in range(wanted):
                idle.append(Connection(self.url))
                if i % 10 == 0:
                    self.assertEqual(idle[-1].request("/web/file.bin", Range="bytes=0-0").status, 206)
            self.assert_alive()
            self.assertLess(self.cluster.rss_bytes("httpd0") - before, 200 << 20)
            self.assertEqual(idle[0].request("/web/file.bin", Range="bytes=1-1").body, DATA[1:2])
        finally:
            for c in idle:
                c.close()
        self.assert_alive()

    def test_many_at_once(self):
        wrong = []

        def fetch_some():
            try:
                with Connection(self.url) as c:
                    for i in range(20):
                        at = (i * 7919) % (SIZE - 5000)
                        if c.request("/web/file.bin", Range=f"bytes={at}-{at + 4999}").body != DATA[at:at + 5000]:
                            wrong.append(at)
            except OSError as e:
                wrong.append(e)
        threads = [threading.Thread(target=fetch_some) for _ in range(64)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
