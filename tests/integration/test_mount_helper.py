"""mount.vcfs and umount, as mount(8) and /etc/fstab use them."""
import errno
import os
import shutil
import subprocess
import unittest

from vcfs_test import env, shared
from vcfs_test.automount import Automount
from vcfs_test.wait import wait_for


class Mounting(unittest.TestCase):
    def setUp(self):
        self.cluster = shared.cluster()
        self.point = self.cluster.scratch.path / f"extra-{self._testMethodName[:60]}"
        self.point.mkdir()
        self.addCleanup(self.detach)

    def detach(self):
        if os.path.ismount(self.point):
            subprocess.run(["umount", "-l", str(self.point)], check=False)

    def mount(self, source=None, options="", point=None, check=True, program=None):
        source = source or f"{self.cluster.trackers}:/"
        line = [*(program or [env.program("mount.vcfs")]), source, str(point or self.point)]
        line += ["-o", options] if options else []
        log = self.cluster.scratch.path / "mount-output.log"
        with open(log, "w+") as out:
            code = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=90, check=False).returncode
            out.seek(0)
            text = out.read()
        if check:
            self.assertEqual(code, 0, text)
        return code, text

    def refused(self, *says, **kw):
        code, text = self.mount(check=False, **kw)
        self.assertNotEqual(code, 0)
        for word in says:
            self.assertIn(str(word), text)
        self.assertFalse(os.path.ismount(self.point))

    def test_a_second_mount_shows_the_same_files(self):
        self.mount()
        (self.cluster.mount / "shared").write_bytes(b"seen by both")
        self.assertEqual((self.point / "shared").read_bytes(), b"seen by both")

    def test_it_answers_when_the_command_returns(self):
        self.mount()
        self.assertTrue(os.path.ismount(self.point))
        os.statvfs(self.point)

    def test_umount_works_and_ends_the_process(self):
        self.mount()
        subprocess.run(["umount", str(self.point)], check=True, timeout=30)
        self.assertFalse(os.path.ismount(self.point))
        wait_for(lambda: not _processes_with(str(self.point)), 10, "the mount's process to end")

    def test_umount_of_a_busy_mount_is_refused_and_harmless(self):
        self.mount()
        with open(self.point / "busy", "wb", buffering=0) as f:
            f.write(b"1")
            self.assertNotEqual(subprocess.run(["umount", str(self.point)], capture_output=True, check=False).returncode, 0)
            f.write(b"2")
        self.assertEqual((self.point / "busy").read_bytes(), b"12")

    def test_umount_sends_what_was_written(self):
        self.mount()
        (self.point / "last").write_bytes(b"x" * 1_000_000)
        subprocess.run(["umount", str(self.point)], check=True, timeout=30)
        self.assertEqual((self.cluster.mount / "last").stat().st_size, 1_000_000)

    def test_mount_t_vcfs(self):
        helper = "/sbin/mount.vcfs"
        if not os.path.exists(helper):
            if os.path.islink(helper):  # to a build that is gone
                os.unlink(helper)
            os.symlink(env.program("mount.vcfs"), helper)
            self.addCleanup(os.unlink, helper)
        self.mount(program=["mount", "-t", "vcfs"])

    def test_a_fake_mount_mounts_nothing(self):
        program = [env.program("mount.vcfs"), "-f"]
        self.mount(program=program)
        self.assertFalse(os.path.ismount(self.point))
        self.refused("colour", program=program, options="colour=red")

    def test_options_of_fstab_are_accepted(self):
        self.mount(options="rw,_netdev,noauto,nofail,x-systemd.automount,x-systemd.requires=network-online.target,noatime,nosuid,nodev,"
                           "user=root,comment=x,relatime")
        (self.point / "f").write_bytes(b"x")

    def test_an_automount(self):
        (self.cluster.mount / "on-demand").write_bytes(b"x")
        program = [env.program("mount.vcfs"), f"{self.cluster.trackers}:/", str(self.point)]
        with Automount(self.point, program, limit=20) as automount:
            # Somebody who is not of the process group that mounts.
            seen = subprocess.run(["cat", str(self.point / "on-demand")], capture_output=True, timeout=40, check=False,
                                  start_new_session=True)
            self.assertEqual(getattr(automount.result, "returncode", "it hung"), 0, automount.result)
            self.assertEqual(seen.stdout, b"x", seen.stderr)

    def test_mounted_already_as_fstab_says(self):
        trackers = self.cluster.trackers + ",127.0.0.1"  # without a port
        self.mount(source=f"{trackers}:/")
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            line = next(line for line in mounts if f" {self.point} " in line)
        # What `mount -a` goes by.
        self.assertIn(f" fuse.vcfs {trackers}:/ ", line)

    def test_read_only(self):
        (self.cluster.mount / "ro-file").write_bytes(b"x")
        self.mount(options="ro")
        self.assertEqual((self.point / "ro-file").read_bytes(), b"x")
        with self.assertRaises(OSError) as caught:
            (self.point / "new").write_bytes(b"x")
        self.assertEqual(caught.exception.errno, errno.EROFS)

    def test_a_subdirectory_as_root(self):
        os.makedirs(self.cluster.mount / "tenant/inner", exist_ok=True)
        (self.cluster.mount / "tenant/inner/f").write_bytes(b"x")
        self.mount(source=f"{self.cluster.trackers}:/tenant/inner")
        self.assertEqual(os.listdir(self.point), ["f"])
        (self.point / "g").write_bytes(b"y")
        self.assertEqual((self.cluster.mount / "tenant/inner/g").read_bytes(), b"y")
        self.assertEqual(os.path.realpath(self.point / ".."), str(self.point.parent))

    def test_an_absent_subdirectory(self):
        self.refused("absent", source=f"{self.cluster.trackers}:/absent")

    def test_no_tracker(self):
        self.refused("127.0.0.1:1", source="127.0.0.1:1:/", options="stall_limit=1s")

    def test_one_of_two_trackers_answers(self):
        self.mount(source=f"127.0.0.1:1,{self.cluster.trackers}:/")

    def test_an_unknown_option(self):
        self.refused("colour", options="colour=red")

    def test_a_bad_value(self):
        self.refused("stall_limit", options="stall_limit=soon")

    def test_a_bad_source(self):
        for source in ("nothing", "127.0.0.1:99999:/", ":/", "127.0.0.1:x:/"):
            self.refused(source=source)

    def test_an_absent_mount_point(self):
        self.refused("absent", point=self.point / "absent")

    def test_a_mount_point_that_is_a_file(self):
        (self.point / "file").write_bytes(b"")
        self.refused("file", point=self.point / "file")

    def test_it_is_listed_by_status(self):
        self.mount()
        paths = lambda: [m["path"] for m in self.cluster.status()["mounts"]]  # noqa: E731
        wait_for(lambda: str(self.point) in paths(), 5, "the mount in vcfs status")
        subprocess.run(["umount", str(self.point)], check=True, timeout=30)
        wait_for(lambda: str(self.point) not in paths(), 15, "it to be gone from vcfs status")

    def test_the_type_in_proc_mounts(self):
        self.mount()
        line = next(x for x in open("/proc/mounts") if str(self.point) in x)
        self.assertIn("vcfs", line.split()[2])


def _processes_with(text):
    from vcfs_test.reaper import processes_naming
    return processes_naming(text)


if __name__ == "__main__":
    unittest.main()
