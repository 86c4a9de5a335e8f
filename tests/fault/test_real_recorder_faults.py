"""A storage server fails while ffmpeg records in real time; what it wrote is bit for bit what it writes on a local disk.

Fault model: one server of the file is killed, hangs (SIGSTOP) and goes on, or its host is cut off from all others and joined again,
in the middle of the recording. Some containers are only appended to; of others the head is rewritten, or all is moved, at
the end, through descriptors that were open all the time.
Survival is expected because the mount replays what was not acknowledged, in its order, whatever its place in the file.
"""
import unittest

from fault_case import FaultCase
from network_case import NetworkCase
from vcfs_test.wait import wait_for

TS = "/meeting/talk.ts"
MKV = "/meeting/talk.mkv"
MP4 = "/meeting/talk.mp4"
FASTSTART = ("-movflags", "+faststart")
FRAGMENTED = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")
SOME = 400_000  # a second and a half


class Processes(FaultCase):
    def test_primary_of_an_mpeg_ts_killed(self):
        self.start_ffmpeg(TS)
        self.goes_on_without(self.cluster.primary_of(TS), TS)

    def test_primary_of_an_mp4_whose_head_is_moved_to_the_front_killed(self):
        self.start_ffmpeg(MP4, *FASTSTART)
        self.goes_on_without(self.cluster.primary_of(MP4), MP4)

    def test_follower_of_a_fragmented_mp4_killed(self):
        self.start_ffmpeg(MP4, *FRAGMENTED)
        self.goes_on_without(self.cluster.followers_of(MP4)[0], MP4)

    def test_primary_killed_while_the_head_of_an_mp4_is_moved_to_the_front(self):
        self.start_ffmpeg(MP4, *FASTSTART, seconds=400, real_time=False)  # 100 MB
        primary = self.cluster.primary_of(MP4)
        wait_for(lambda: self.ffmpeg.descriptors() == 2, 30, "ffmpeg to read what it wrote", interval=0.001)
        self.goes_on_without(primary, MP4, more=0)

    def goes_on_without(self, name, path, more=SOME):
        self.cluster.kill(name)
        self.wait_for_growth(more, path)
        self.finish_ffmpeg(path)
        self.assertNotIn(name, [r["storage"] for r in self.cluster.stat(path)["replicas"]])

    def test_primary_of_a_matroska_file_hangs_and_goes_on(self):
        self.start_ffmpeg(MKV)
        primary = self.cluster.primary_of(MKV)
        self.cluster.stop(primary)
        self.wait_for_growth(SOME, MKV)
        self.assertNotEqual(self.cluster.primary_of(MKV), primary)
        self.cluster.cont(primary)
        self.wait_for_growth(SOME, MKV)
        self.finish_ffmpeg(MKV)


class Hosts(NetworkCase):
    def test_primarys_host_of_an_mp4_whose_head_is_moved_to_the_front_cut_off_and_joined_again(self):
        self.start_ffmpeg(MP4, *FASTSTART)
        primary = self.cluster.primary_of(MP4)
        self.host(primary).cut()
        self.wait_for_growth(SOME, MP4)
        self.assertNotEqual(self.cluster.primary_of(MP4), primary)
        self.cluster.network.heal()
        self.wait_for_growth(SOME, MP4)
        self.finish_ffmpeg(MP4)


if __name__ == "__main__":
    unittest.main()
