"""The frame of a fault test whose servers are each on a host (network namespace) of its own."""
from fault_case import HUNG_MS, PATH, FaultCase
from vcfs_test.hosts import HostCluster


class NetworkCase(FaultCase):
    httpd = False
    mount_options = ""

    def make_cluster(self):
        return HostCluster(storages=self.storages, httpd=self.httpd, mount_options=self.mount_options)

    def host(self, name):
        return self.cluster.host(name)

    def servers(self):
        """(primary, follower) as hosts."""
        primary = self.cluster.primary_of(PATH)
        follower = next(r["storage"] for r in self.cluster.stat(PATH)["replicas"] if r["storage"] != primary)
        return self.host(primary), self.host(follower)

    def goes_on_and_heals(self, stall_ms=HUNG_MS, replaced=None, kept=(), during=1_000_000, figure="storage_cut"):
        """The recording goes on during the fault, for so many bytes, and after it, and ends with every replica equal. `replaced`: the
        host that is no in-sync replica any more while the fault lasts; `kept`: those that are. Returns what the recorder measured."""
        self.wait_for_growth(during)
        if replaced or kept:
            in_sync = {r["storage"] for r in self.cluster.stat(PATH)["replicas"] if r["state"] == "in-sync"}
            self.assertNotIn(replaced and replaced.name, in_sync)
            self.assertLessEqual({host.name for host in kept}, in_sync)
        self.cluster.network.heal()
        self.wait_for_growth(300_000)
        written = self.finish(stall_ms, figure=figure if replaced else None)
        self.assert_sealed()
        self.assert_replicas_equal()
        return written
