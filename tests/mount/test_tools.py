"""Ordinary programs on the store."""
import os
import shutil
import subprocess
import unittest

from vcfs_test.files import describe_tree, make_tree, pattern
from vcfs_test.shared import StoreCase
from vcfs_test.wait import wait_for


class Copying(StoreCase):
    def setUp(self):
        super().setUp()
        self.tree = os.path.join(self.local, "tree")
        make_tree(self.tree)
        self.expected = describe_tree(self.tree)

    def test_cp_a_onto_the_store_and_back(self):
        self.run_tool("cp", "-a", self.tree, self.path("copy"))
        self.assertEqual(describe_tree(self.path("copy")), self.expected)
        self.run_tool("cp", "-a", self.path("copy"), self.local + "/back")
        self.assertEqual(describe_tree(self.local + "/back"), self.expected)

    def test_cp_a_within_the_store(self):
        self.run_tool("cp", "-a", self.tree, self.path("one"))
        self.run_tool("cp", "-a", self.path("one"), self.path("two"))
        self.assertEqual(describe_tree(self.path("two")), self.expected)

    def test_rsync_a_twice_moves_nothing_the_second_time(self):
        self.run_tool("rsync", "-aH", self.tree + "/", self.path("copy"))
        self.assertEqual(describe_tree(self.path("copy")), self.expected)
        self.assertEqual(self.run_tool("rsync", "-aHi", self.tree + "/", self.path("copy")), "")

    def test_rsync_updates_a_changed_file_and_deletes(self):
        self.run_tool("rsync", "-aH", self.tree + "/", self.path("copy"))
        with open(self.tree + "/folder 1/file-3-ü.bin", "ab") as f:
            f.write(b"more")
        shutil.rmtree(self.tree + "/folder 2")
        self.run_tool("rsync", "-aH", "--delete", self.tree + "/", self.path("copy"))
        self.assertEqual(describe_tree(self.path("copy")), describe_tree(self.tree))

    def test_rsync_inplace(self):
        self.run_tool("rsync", "-aH", self.tree + "/", self.path("copy"))
        with open(self.tree + "/folder 1/file-3-ü.bin", "r+b") as f:
            f.seek(100)
            f.write(b"changed in the middle")
        self.run_tool("rsync", "-aH", "--inplace", "--no-whole-file", self.tree + "/", self.path("copy"))
        self.assertEqual(describe_tree(self.path("copy")), describe_tree(self.tree))

    def test_tar_extracts_and_packs_the_same(self):
        self.run_tool("tar", "--format=posix", "-C", self.local, "-cf", self.path("t.tar"), "tree")
        self.run_tool("tar", "-C", self.dir, "-xpf", self.path("t.tar"))
        self.assertEqual(describe_tree(self.path("tree")), self.expected)
        self.run_tool("tar", "-C", self.dir, "-df", self.path("t.tar"))

    def test_diff_r_finds_no_difference(self):
        shutil.rmtree(self.tree + "/empty")
        for name in ("fifo",):
            os.unlink(os.path.join(self.tree, name))
        self.run_tool("cp", "-a", self.tree, self.path("copy"))
        self.run_tool("diff", "-r", "--no-dereference", self.tree, self.path("copy"))

    def test_mv_from_another_filesystem_and_within(self):
        self.run_tool("mv", self.tree, self.path("moved"))
        self.assertEqual(describe_tree(self.path("moved")), self.expected)
        self.run_tool("mv", self.path("moved"), self.path("again"))
        self.assertEqual(describe_tree(self.path("again")), self.expected)

    def test_find_sees_what_is_there(self):
        self.run_tool("cp", "-a", self.tree, self.path("copy"))
        found = self.run_tool("find", self.path("copy"), "-mindepth", "1", "-printf", "%P\\n").split("\n")[:-1]
        self.assertEqual(sorted(found), sorted(self.expected))
        self.assertEqual(len(self.run_tool("find", self.path("copy"), "-type", "l").split("\n")) - 1, 8)

    def test_rm_r_leaves_nothing(self):
        self.run_tool("cp", "-a", self.tree, self.path("copy"))
        self.run_tool("rm", "-r", self.path("copy"))
        self.assertEqual(os.listdir(self.dir), [])

    def test_cpio_passes_through(self):
        if not shutil.which("cpio"):
            self.skipTest("no cpio")
        os.mkdir(self.path("copy"))
        self.run_tool("sh", "-c", f"cd {self.tree} && find . -depth | cpio -pdm {self.path('copy')}")
        self.assertEqual(len(describe_tree(self.path("copy"))), len(self.expected))


class Looking(StoreCase):
    def test_du_counts_what_is_stored(self):
        self.make("f", pattern(1 << 20))
        os.sync()
        kib = int(self.run_tool("du", "-sk", self.dir).split()[0])
        self.assertTrue(1000 <= kib <= 1200, kib)
        self.assertEqual(self.run_tool("du", "-b", "--apparent-size", self.path("f")).split()[0], str(1 << 20))

    def test_df_shows_the_store(self):
        line = self.run_tool("df", "-Pk", self.dir).splitlines()[1].split()
        self.assertGreater(int(line[1]), 0)
        self.run_tool("df", "-Pi", self.dir)

    def test_ls_l_and_stat(self):
        self.make("f", b"12345", 0o640)
        self.assertRegex(self.run_tool("ls", "-l", self.dir), r"-rw-r-----\s+1 .* 5 .* f")
        self.assertEqual(self.run_tool("stat", "-c", "%s %a %h %F", self.path("f")).strip(), "5 640 1 regular file")

    def test_tail_f_follows(self):
        path = self.make("log", b"first\n")
        tail = subprocess.Popen(["tail", "-n", "+1", "-f", path], stdout=subprocess.PIPE)
        self.addCleanup(lambda: (tail.kill(), tail.communicate()))
        os.set_blocking(tail.stdout.fileno(), False)
        seen = b""

        def has(text):
            nonlocal seen
            seen += tail.stdout.read() or b""
            return text in seen
        wait_for(lambda: has(b"first\n"), 5)
        with open(path, "ab", buffering=0) as f:
            for i in range(5):
                f.write(b"line %d\n" % i)
                wait_for(lambda i=i: has(b"line %d\n" % i), 5)
        self.assertEqual(seen, b"first\n" + b"".join(b"line %d\n" % i for i in range(5)))

    def test_grep_and_sort_and_sed_in_place(self):
        path = self.make("words", b"pear\napple\nfig\n")
        self.run_tool("sort", "-o", path, path)
        self.run_tool("sed", "-i", "s/fig/date/", path)
        self.assertEqual(self.read(path), b"apple\ndate\npear\n")
        self.assertEqual(self.run_tool("grep", "-rl", "date", self.dir).strip(), path)

    def test_dd_with_all_conversions(self):
        data = pattern(300000)
        source = os.path.join(self.local, "in")
        with open(source, "wb") as f:
            f.write(data)
        self.run_tool("dd", f"if={source}", f"of={self.path('f')}", "bs=7000", "conv=fsync", "status=none")
        self.assertEqual(self.read("f"), data)
        self.run_tool("dd", "if=/dev/zero", f"of={self.path('f')}", "bs=1000", "count=3", "seek=100", "conv=notrunc",
                      "status=none")
        self.assertEqual(self.read("f"), data[:100000] + bytes(3000) + data[103000:])

    def test_truncate_and_fallocate_tools(self):
        self.run_tool("truncate", "-s", "10M", self.path("f"))
        self.assertEqual(os.path.getsize(self.path("f")), 10 << 20)

    def test_logrotate_style_copytruncate(self):
        path = self.make("log", b"old\n")
        with open(path, "ab", buffering=0) as writer:
            shutil.copy(path, path + ".1")
            os.truncate(path, 0)
            writer.write(b"new\n")
        self.assertEqual((self.read(path), self.read(path + ".1")), (b"new\n", b"old\n"))


class Developing(StoreCase):
    GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main",
           "-c", "safe.directory=*", "-c", "protocol.file.allow=always"]

    def git(self, where, *arguments):
        return self.run_tool(*self.GIT, "-C", where, *arguments)

    def test_git_clone_commit_and_gc(self):
        origin = os.path.join(self.local, "origin")
        os.mkdir(origin)
        self.git(origin, "init", "-q")
        for i in range(60):
            with open(f"{origin}/file{i}", "wb") as f:
                f.write(pattern(i * 300))
        self.git(origin, "add", ".")
        self.git(origin, "commit", "-qm", "first")
        self.run_tool(*self.GIT, "clone", "-q", "--no-hardlinks", origin, self.path("clone"))
        self.assertEqual(self.git(self.path("clone"), "status", "--porcelain"), "")
        self.make("clone/new", b"content")
        self.git(self.path("clone"), "add", ".")
        self.git(self.path("clone"), "commit", "-qm", "second")
        self.git(self.path("clone"), "gc", "-q")
        self.git(self.path("clone"), "fsck", "--strict")
        self.git(self.path("clone"), "push", "-q", "origin", "HEAD:refs/heads/other")

    def test_compiling_on_the_store(self):
        if not shutil.which("cc"):
            self.skipTest("no C compiler")
        self.make("hello.c", b'#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
        self.run_tool("cc", "-o", self.path("hello"), self.path("hello.c"))
        self.assertEqual(self.run_tool(self.path("hello")), "hello\n")

    def test_zip_roundtrip(self):
        import zipfile
        with zipfile.ZipFile(self.path("a.zip"), "w", zipfile.ZIP_DEFLATED) as z:
            for i in range(20):
                z.writestr(f"{i}.bin", pattern(i * 1000))
        with zipfile.ZipFile(self.path("a.zip")) as z:
            self.assertIsNone(z.testzip())


if __name__ == "__main__":
    unittest.main()
