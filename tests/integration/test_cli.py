"""What `vcfs up`, `down`, `status`, `stat` and the file commands promise."""
import json
import os
import signal
import socket
import subprocess
import unittest

from vcfs_test import env
from vcfs_test.cluster import Cluster, CommandFailed, is_running
from vcfs_test.files import pattern
from vcfs_test.open_writer import Writer
from vcfs_test.wait import wait_for


def mount_types(place):
    """Of all that is mounted there, the last one last. Asks no mounted filesystem."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        lines = [line.split() for line in mounts]
    return [words[words.index("-") + 1] for words in lines if words[4] == str(place)]


def files_below(directory):
    return {os.path.join(f, n) for f, _, names in os.walk(directory) for n in names}


class RunningCluster(unittest.TestCase):
    """Questions to one cluster that stays as it is."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster().up()
        cls.addClassCleanup(cls.cluster.close)
        os.mkdir(cls.cluster.mount / "alice")
        (cls.cluster.mount / "alice/clip.bin").write_bytes(pattern(100_000))

    def refused(self, command, *args, says="", **kw):
        result = self.cluster.vcfs(command, *args, check=False, **kw)
        self.assertNotEqual(result.returncode, 0, result.stdout)
        self.assertIn(says.lower(), (result.stderr + result.stdout).lower())
        return result

    def test_status_lists_every_role_with_its_fields(self):
        status = self.cluster.status()
        for role, count in (("trackers", 1), ("idservers", 1), ("storages", 2), ("httpds", 1), ("mounts", 1)):
            self.assertEqual(len(status[role]), count, role)
            for process in status[role]:
                self.assertIn("address", process)
                self.assertIn("state", process)
                self.assertTrue(is_running(process["pid"]), f"{role}: {process}")

    def test_status_of_storages(self):
        storages = self.cluster.status()["storages"]
        self.assertEqual(len({s["name"] for s in storages}), 2)
        self.assertEqual(len({s["group"] for s in storages}), 1)
        for s in storages:
            self.assertTrue(os.path.isdir(s["data"]))
            self.assertGreater(s["capacity_bytes"], s["free_bytes"])
            self.assertGreater(s["free_bytes"], 0)

    def test_status_of_mounts_and_files(self):
        status = self.cluster.status()
        self.assertEqual(status["mounts"][0]["path"], str(self.cluster.mount))
        self.assertGreaterEqual(status["files"]["live"], 0)
        self.assertEqual(status["files"]["degraded"], 0)

    def test_status_by_trackers_address(self):
        line = [env.program("vcfs"), "status", "--trackers", self.cluster.trackers, "--json"]
        status = json.loads(subprocess.run(line, capture_output=True, check=True, timeout=30).stdout)
        self.assertEqual(len(status["storages"]), 2)

    def test_status_for_people(self):
        out = self.cluster.vcfs("status").stdout
        for storage in self.cluster.status()["storages"]:
            self.assertIn(storage["name"], out)

    def test_stat_of_a_closed_file(self):
        self.cluster.wait_state("/alice/clip.bin", "closed")
        st = self.cluster.stat("/alice/clip.bin")
        self.assertEqual((st["size"], len(st["replicas"])), (100_000, 2))
        self.assertGreater(int(st["id"], 16), 0)
        self.assertGreaterEqual(st["epoch"], 1)
        self.assertEqual({r["state"] for r in st["replicas"]}, {"in-sync"})

    def test_replicas_are_ordinary_files_with_the_bytes(self):
        for path in self.cluster.replica_paths("/alice/clip.bin"):
            with open(path, "rb") as f:
                self.assertEqual(f.read(), pattern(100_000))

    def test_a_file_being_written_is_open(self):
        with open(self.cluster.mount / "alice/live.bin", "wb", buffering=0) as f:
            f.write(b"x" * 1000)
            self.cluster.wait_state("/alice/live.bin", "open")
        self.cluster.wait_state("/alice/live.bin", "closed")

    def test_stat_of_an_absent_file(self):
        self.refused("stat", "/alice/absent", says="/alice/absent")

    def test_put_get_ls_rm_mkdir(self):
        c = self.cluster
        source = c.scratch.path / "source"
        source.write_bytes(pattern(3_000_000))
        c.vcfs("mkdir", "/bob")
        c.vcfs("put", source, "/bob/file")
        self.assertIn("file", c.vcfs("ls", "/bob").stdout)
        self.assertEqual((c.mount / "bob/file").read_bytes(), pattern(3_000_000))
        back = c.scratch.path / "back"
        c.vcfs("get", "/bob/file", back)
        self.assertEqual(back.read_bytes(), pattern(3_000_000))
        c.vcfs("rm", "/bob/file")
        wait_for(lambda: not (c.mount / "bob/file").exists(), 1, "the mount to be told")
        c.vcfs("rm", "-r", "/bob")
        self.assertNotIn("bob", c.vcfs("ls", "/").stdout)

    def test_put_from_standard_input(self):
        self.cluster.vcfs("put", "-", "/alice/piped", stdin=b"through a pipe", text=False)
        self.assertEqual((self.cluster.mount / "alice/piped").read_bytes(), b"through a pipe")

    def test_get_onto_the_file_itself_through_the_mount(self):
        here = self.cluster.mount / "alice"
        self.refused("get", "/alice/clip.bin", cwd=here, says="the same file")
        self.refused("get", "/alice/clip.bin", here / "clip.bin", says="the same file")
        self.assertEqual((here / "clip.bin").read_bytes(), pattern(100_000))

    def test_put_of_the_file_itself_through_the_mount(self):
        here = self.cluster.mount / "alice"
        self.refused("put", "clip.bin", "/alice/", cwd=here, says="the same file")
        self.assertEqual((here / "clip.bin").read_bytes(), pattern(100_000))

    def test_put_of_standard_input_that_is_the_file_itself(self):
        clip = self.cluster.mount / "alice/clip.bin"
        line = [env.program("vcfs"), "put", "-", "/alice/clip.bin", "--dir", self.cluster.directory]
        with open(clip, "rb") as stdin:
            result = subprocess.run(line, stdin=stdin, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((result.returncode, clip.read_bytes()), (1, pattern(100_000)))
        self.assertIn("the same file", result.stderr)

    def test_a_file_that_is_put_is_its_makers(self):
        line = ["setpriv", "--reuid=1000", "--regid=1001", "--clear-groups", env.program("vcfs"), "put", "-", "/alice/mine",
                "--trackers", self.cluster.trackers]
        for umask, mode in ((0o027, "0640"), (0o077, "0640")):  # what is there keeps its mode
            subprocess.run(line, input=b"mine", check=True, timeout=30, umask=umask)
            mine = self.cluster.stat("/alice/mine")
            self.assertEqual((mine["uid"], mine["gid"], mine["mode"]), (1000, 1001, mode))

    def test_ls_json(self):
        names = {e["name"] for e in _entries(self.cluster.json("ls", "/alice"))}
        self.assertIn("clip.bin", names)

    def test_get_of_an_absent_file_leaves_nothing(self):
        target = self.cluster.scratch.path / "absent-copy"
        self.refused("get", "/alice/absent", target, says="absent")
        self.assertFalse(target.exists())

    def test_rm_of_a_full_directory_without_r(self):
        self.refused("rm", "/alice")
        self.assertTrue((self.cluster.mount / "alice/clip.bin").exists())

    def test_rm_in_an_absent_directory_does_not_advise_to_make_it(self):
        result = self.refused("rm", "/absent/x", says="/absent/x")
        self.assertNotIn("mkdir", result.stderr)

    def test_mkdir_of_an_existing_directory(self):
        self.refused("mkdir", "/alice", says="alice")

    def test_name_of_256_bytes(self):
        self.refused("mkdir", "/alice/" + "n" * 256, says="255")

    def test_users_and_groups(self):
        group = self.cluster.status()["storages"][0]["group"]
        self.assertIn(group, self.cluster.vcfs("groups").stdout)
        self.assertIn("alice", self.cluster.vcfs("users").stdout)
        self.cluster.vcfs("user assign", "carol", group)
        self.assertIn("carol", self.cluster.vcfs("users").stdout)

    def test_assigning_to_an_unknown_group(self):
        self.refused("user assign", "carol", "no-such-group", says="no-such-group")

    def test_help_teaches(self):
        for line in (["vcfs", "--help"], ["vcfs", "up", "--help"], ["mount.vcfs", "--help"], ["vcfs-tracker", "--help"],
                     ["vcfs-storage", "--help"], ["vcfs-idserver", "--help"], ["vcfs-httpd", "--help"]):
            result = subprocess.run([env.program(line[0]), *line[1:]], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(result.returncode, 0, line)
            self.assertGreater(len(result.stdout), 200, line)

    def test_wrong_commands_and_options(self):
        for line in (["frobnicate"], ["status", "--colour"], ["stat"], ["up", "--storages", "many"], ["up", "--copies", "0"],
                     ["up", "--port-base", "70000"]):
            if line[0] == "up":
                line += ["--dir", str(self.cluster.scratch.path / "never")]
            result = subprocess.run([env.program("vcfs"), *line], capture_output=True, text=True, timeout=20, check=False)
            self.assertNotEqual(result.returncode, 0, line)
            self.assertTrue((result.stderr + result.stdout).strip(), line)
        self.assertFalse((self.cluster.scratch.path / "never").exists())

    def test_a_tracker_that_does_not_answer(self):
        line = [env.program("vcfs"), "status", "--trackers", "127.0.0.1:1", "--timeout", "1s"]
        result = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("127.0.0.1:1", result.stderr + result.stdout)


def _entries(value):
    return value if isinstance(value, list) else value["entries"]


class Lives(unittest.TestCase):
    """Starting, stopping, and starting again."""

    time_limit = 180

    def cluster(self, **kw):
        c = Cluster(**kw)
        self.addCleanup(c.close)
        return c

    def test_up_twice_changes_nothing(self):
        c = self.cluster().up()
        before = {n: c.pid(n) for n in c.names()}
        c.up()
        self.assertEqual({n: c.pid(n) for n in c.names()}, before)

    def test_up_while_another_up_starts_the_tracker(self):
        """Whose port is taken a moment before it is written down who has it."""
        c = self.cluster(mount=False).up()
        before = {n: c.pid(n) for n in c.names()}
        started, later = c.directory / "run/tracker-1.started", c.directory / "run/later"
        os.rename(started, later)
        line = [env.program("vcfs"), "up", "--dir", str(c.directory)]
        second = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(second.stdout.close)
        said = second.stdout.readline()
        os.rename(later, started)
        self.assertIn(f"waiting for port {c.ports.base}", said)
        rest = second.communicate(timeout=60)[0]
        self.assertEqual(second.returncode, 0, rest)
        self.assertEqual({n: c.pid(n) for n in c.names()}, before)

    def test_up_starts_what_died(self):
        c = self.cluster().up()
        storage = sorted(c.storages())[0]
        old = c.pid(storage)
        c.kill(storage)
        c.restart(storage)
        self.assertNotEqual(c.pid(storage), old)

    def test_down_leaves_no_process_and_no_mount_and_up_brings_the_data_back(self):
        c = self.cluster().up()
        (c.mount / "keep").write_bytes(pattern(500_000))
        os.mkdir(c.mount / "dir")
        os.symlink("../keep", c.mount / "dir/link")
        pids = [c.pid(n) for n in c.names()]
        c.down()
        self.assertEqual([p for p in pids if is_running(p)], [])
        self.assertFalse(os.path.ismount(c.mount))
        c.up()
        self.assertEqual((c.mount / "dir/link").read_bytes(), pattern(500_000))
        self.assertEqual(c.stat("/keep")["state"], "closed")

    def test_down_twice_is_fine(self):
        c = self.cluster().up()
        c.down()
        c.down()

    def test_an_unmounted_mount_point_cannot_be_written(self):
        c = self.cluster().up()
        c.down()
        with self.assertRaises(OSError):
            (c.mount / "lost").write_bytes(b"onto the wrong disk")

    def test_a_crash_of_everything_keeps_acknowledged_files(self):
        c = self.cluster().up()
        with open(c.mount / "synced", "wb") as f:
            f.write(pattern(1_000_000))
            f.flush()
            os.fsync(f.fileno())
        names = [n for n in c.names() if not n.startswith("mount")]
        for name in names:
            c.kill(name)
        c.up()
        self.assertEqual((c.mount / "synced").read_bytes(), pattern(1_000_000))

    def test_two_clusters_side_by_side(self):
        a, b = self.cluster().up(), self.cluster().up()
        (a.mount / "f").write_bytes(b"in a")
        (b.mount / "f").write_bytes(b"in b")
        self.assertEqual(((a.mount / "f").read_bytes(), (b.mount / "f").read_bytes()), (b"in a", b"in b"))
        a.down()
        self.assertEqual((b.mount / "f").read_bytes(), b"in b")

    def test_files_of_two_clusters_with_one_number_are_two_files(self):
        a, b = self.cluster().up(), self.cluster().up()
        (a.mount / "f").write_bytes(b"in a")
        (b.mount / "f").write_bytes(b"in b")
        self.assertEqual(a.stat("/f")["id"], b.stat("/f")["id"])
        a.vcfs("get", "/f", b.mount / "f")
        self.assertEqual((b.mount / "f").read_bytes(), b"in a")

    def test_a_file_is_the_same_through_a_mount_with_other_names_of_the_trackers(self):
        c = self.cluster().up()
        (c.mount / "f").write_bytes(b"content")
        trackers = c.trackers.replace("127.0.0.1", "127.1")
        line = [env.program("vcfs"), "get", "/f", str(c.mount / "f"), "--trackers", trackers]
        result = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
        self.assertIn("the same file", result.stderr)
        self.assertEqual((c.mount / "f").read_bytes(), b"content")

    def test_a_path_under_the_mount_of_another_cluster_is_refused(self):
        a, b = self.cluster().up(), self.cluster().up()
        for c in (a, b):
            os.makedirs(c.mount / "alice/old")
        for command in (["rm", "-r", "/alice", b.mount / "alice/old"], ["mkdir", b.mount / "new"], ["stat", b.mount / "alice"]):
            result = a.vcfs(*command, check=False)
            self.assertEqual(result.returncode, 2, command)
            self.assertIn("another cluster", result.stderr)
        self.assertEqual([(c.mount / "alice/old").is_dir() for c in (a, b)], [True, True])
        b.vcfs("rm", "-r", b.mount / "alice/old")
        wait_for(lambda: not (b.mount / "alice/old").is_dir(), 1, "the mount to be told")
        self.assertTrue((a.mount / "alice/old").is_dir())

    def test_a_path_under_the_mount_of_a_cluster_that_is_away_is_refused(self):
        a, b = self.cluster().up(), self.cluster().up()
        os.mkdir(a.mount / "alice")
        b.kill("tracker0")
        result = a.vcfs("rm", "-r", b.mount / "alice", check=False)
        self.assertEqual(result.returncode, 2)
        self.assertTrue((a.mount / "alice").is_dir())

    def test_a_path_under_a_mount_with_other_names_of_the_trackers(self):
        c = self.cluster().up()
        os.mkdir(c.mount / "alice")
        trackers = c.trackers.replace("127.0.0.1", "127.1")
        line = [env.program("vcfs"), "stat", str(c.mount / "alice"), "--trackers", trackers, "--json"]
        answer = subprocess.run(line, capture_output=True, check=True, timeout=30).stdout
        self.assertEqual(json.loads(answer)["path"], "/alice")

    def test_a_path_under_a_mount_from_other_names_of_the_trackers(self):
        c = self.cluster().up()
        os.mkdir(c.mount / "alice")
        point = c.scratch.path / "by-hand"
        point.mkdir()
        source = c.trackers.replace("127.0.0.1", "127.1") + ":/"
        subprocess.run([env.program("mount.vcfs"), source, point], check=True, timeout=60)
        self.addCleanup(subprocess.run, ["umount", "-l", point], check=False)
        self.assertEqual(c.stat(point / "alice")["path"], "/alice")

    def test_a_path_under_a_bind_mount(self):
        c = self.cluster().up()
        for place in ("alice/old", "old"):
            os.makedirs(c.mount / place)
        bound = c.scratch.path / "bound"
        bound.mkdir()
        subprocess.run(["mount", "--bind", c.mount / "alice", bound], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", bound], check=False)
        c.vcfs("rm", "-r", bound / "old")
        wait_for(lambda: not (c.mount / "alice/old").is_dir(), 1, "the mount to be told")
        self.assertTrue((c.mount / "old").is_dir())

    def test_the_mount_of_another_cluster_is_left_alone(self):
        a, b = self.cluster().up(), self.cluster()
        with open(a.mount / "recording", "wb", buffering=0) as recording:
            recording.write(b"first ")
            with self.assertRaises(CommandFailed) as refused:
                b.vcfs("up", "--port-base", b.ports.base, "--mount", a.mount)
            self.assertIn("mounted already", refused.exception.result.stderr)
            recording.write(b"second")
        self.assertEqual((a.mount / "recording").read_bytes(), b"first second")
        self.assertFalse((b.directory / "cluster.json").exists())

    def test_down_leaves_the_mounts_of_others(self):
        c = self.cluster().up()
        c.down()
        subprocess.run(["mount", "-t", "tmpfs", "none", c.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", c.mount], check=False)
        c.down("--remove-mount-point")
        self.assertTrue(os.path.ismount(c.mount))
        os.mkdir(c.mount / "made")  # and nobody made its root immutable
        subprocess.run(["umount", c.mount], check=True)
        self.assertEqual(c.down("--remove-mount-point").returncode, 0)
        self.assertFalse(os.path.exists(c.mount))

    def test_another_mount_on_top_of_the_running_one_stays(self):
        c = self.cluster().up()
        subprocess.run(["mount", "-t", "tmpfs", "none", c.mount], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", c.mount], check=False)
        self.assertIn("hidden by another mount", c.vcfs("up").stdout)
        c.down()
        self.assertEqual(mount_types(c.mount), ["fuse.vcfs", "tmpfs"])
        subprocess.run(["umount", c.mount], check=True)
        c.up()  # what was left below it is dead, and taken away
        self.assertEqual(mount_types(c.mount), ["fuse.vcfs"])
        (c.mount / "f").write_bytes(b"x")

    def test_a_mount_by_hand_is_the_clusters_own(self):
        c = self.cluster().up()
        tracker = c.trackers.split(",")[0].replace("127.0.0.1", "localhost")
        subprocess.run(["umount", c.mount], check=True)
        subprocess.run([env.program("mount.vcfs"), f"{tracker}:/", c.mount], check=True, timeout=60)
        c.down()
        self.assertEqual(mount_types(c.mount), [])

    def test_options_that_failed_are_not_kept(self):
        c = self.cluster().up()
        c.down()
        with self.assertRaises(CommandFailed) as refused:
            c.vcfs("up", "--option", "tracker.colour=red")
        self.assertIn("colour", refused.exception.result.stderr)
        c.vcfs("up")

    def test_groups_and_copies(self):
        c = self.cluster(storages=4, groups=2, copies=2).up()
        groups = {name: s["group"] for name, s in c.storages().items()}
        self.assertEqual(len(set(groups.values())), 2)
        for user in ("u1", "u2", "u3", "u4"):
            os.mkdir(c.mount / user)
            (c.mount / user / "f").write_bytes(b"x")
            replicas = c.stat(f"/{user}/f")["replicas"]
            self.assertEqual((len(replicas), len({groups[r["storage"]] for r in replicas})), (2, 1))

    def test_an_assigned_users_files_go_to_its_group(self):
        c = self.cluster(storages=4, groups=2, copies=2).up()
        groups = {name: s["group"] for name, s in c.storages().items()}
        for i, group in enumerate(sorted(set(groups.values()))):
            c.vcfs("user assign", f"user{i}", group)
            os.mkdir(c.mount / f"user{i}")
            (c.mount / f"user{i}/f").write_bytes(b"x")
            self.assertEqual({groups[r["storage"]] for r in c.stat(f"/user{i}/f")["replicas"]}, {group})

    def test_a_recording_whose_servers_are_away_is_shown_as_the_catalog_knows_it(self):
        c = self.cluster().up()
        os.mkdir(c.mount / "alice")
        (c.mount / "alice/sealed").write_bytes(pattern(1000))
        recorder = Writer(c.mount / "alice/live")
        recorder.write(b"x" * 1000, 0)
        c.wait_state("/alice/live", "open")
        for storage in c.storages():
            c.kill(storage)
        st = c.json("stat", "/alice/live", "--timeout", "1s")
        self.assertEqual((st["state"], len(st["replicas"])), ("open", 2))
        long = c.vcfs("ls", "-l", "/alice", "--timeout", "1s")
        self.assertEqual([line.split()[-1] for line in long.stdout.splitlines()], ["live", "sealed"])
        self.assertIn("as the catalog last heard", long.stderr)
        names = [e["name"] for e in _entries(c.json("ls", "/alice", "--timeout", "1s"))]
        self.assertEqual(names, ["live", "sealed"])
        c.up()
        recorder.close()

    def test_one_copy(self):
        c = self.cluster(storages=1, copies=1).up()
        (c.mount / "f").write_bytes(b"alone")
        self.assertEqual(len(c.stat("/f")["replicas"]), 1)

    def test_three_copies(self):
        c = self.cluster(storages=3, copies=3).up()
        (c.mount / "f").write_bytes(pattern(2_000_000))
        paths = c.replica_paths("/f")
        self.assertEqual(len(paths), 3)
        for path in paths:
            with open(path, "rb") as f:
                self.assertEqual(f.read(), pattern(2_000_000))

    def test_without_a_mount(self):
        c = self.cluster(mount=False).up()
        c.vcfs("put", "-", "/f", stdin=b"no mount", text=False)
        self.assertEqual(c.vcfs("get", "/f", "-", text=False).stdout, b"no mount")


class BadStarts(unittest.TestCase):
    """What cannot work says why, and changes nothing."""

    def setUp(self, **kw):
        self.cluster = Cluster(mount=False, **kw)
        self.addCleanup(self.cluster.close)

    def taken(self, port):
        s = socket.socket()
        self.addCleanup(s.close)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        return s

    def refused(self, *says):
        result = self.cluster.vcfs("up", *self.cluster._options, check=False, timeout=60)
        self.assertNotEqual(result.returncode, 0)
        text = (result.stderr + result.stdout).lower()
        for word in says:
            self.assertIn(str(word).lower(), text)

    def test_a_taken_port_is_named(self):
        self.taken(self.cluster.ports.base)
        self.refused(self.cluster.ports.base)
        self.assertEqual(files_below(self.cluster.directory / "storage"), set())

    def test_a_taken_storage_port_is_named(self):
        self.taken(self.cluster.ports.base + 100)
        self.refused(self.cluster.ports.base + 100)

    def test_a_port_that_is_let_go_is_waited_for(self):
        """As by a daemon that was killed a moment ago."""
        holder = self.taken(self.cluster.ports.base)
        line = [env.program("vcfs"), "up", *map(str, self.cluster._options), "--dir", str(self.cluster.directory)]
        starting = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(starting.stdout.close)
        said = starting.stdout.readline()
        holder.close()
        self.assertIn(f"waiting for port {self.cluster.ports.base}", said)
        rest = starting.communicate(timeout=60)[0]
        self.assertEqual(starting.returncode, 0, rest)

    def test_a_directory_that_is_a_file(self):
        self.cluster.directory.write_bytes(b"precious")
        self.refused(self.cluster.directory)
        self.assertEqual(self.cluster.directory.read_bytes(), b"precious")

    def test_more_copies_than_storages(self):
        self.setUp(copies=5)
        self.refused("copies")

    def test_a_mount_point_that_is_a_file(self):
        target = self.cluster.scratch.path / "file"
        target.write_bytes(b"precious")
        self.cluster._options.remove("--no-mount")
        self.cluster._options += ["--mount", target]
        self.refused(target)
        self.assertEqual(target.read_bytes(), b"precious")

    def test_several_trackers_on_sqlite(self):
        self.setUp(trackers=2)
        self.refused("mariadb")


if __name__ == "__main__":
    unittest.main()
