"""Random operation sequences, executed on the store and on a local directory side by side, compared after every step.

A failing sequence is shrunk and printed as a list that `VCFS_REPLAY='[…]'` replays. VCFS_TEST_SEED replays a whole run.
"""
import json
import os
import random
import shutil
import unittest

import model_ops
from vcfs_test import env, shared
from vcfs_test.shared import StoreCase


class RandomOperations(StoreCase):
    time_limit = 400

    def setUp(self):
        super().setUp()
        self.round = 0

    def fresh_pair(self):
        self.round += 1
        pair = self.path(f"r{self.round}"), os.path.join(self.local, f"r{self.round}")
        for path in pair:
            os.mkdir(path)
        return pair

    def difference(self, operations):
        """None, or what was different first."""
        store, local = self.fresh_pair()
        try:
            return model_ops.run_both(operations, store, local)
        finally:
            for path in (store, local):
                shared.remove_tree(path)
                shutil.rmtree(path, ignore_errors=True)

    def check(self, seed, length, weights):
        rng = random.Random(seed)
        operations = model_ops.PREFACE + [model_ops.draw(rng, weights) for _ in range(length)]
        found = self.difference(operations)
        if found is None:
            return
        step, what = found
        shrunk = model_ops.shrink(operations[:step + 1], lambda ops: self.difference(ops) is not None)
        again = self.difference(shrunk)
        self.fail(f"seed {seed}, step {step}: {what}\nshrunk to {len(shrunk)} steps"
                  f" ({again[1] if again else 'does not fail every time'}):\nVCFS_REPLAY='{json.dumps(shrunk)}'")

    def run_many(self, rounds, length, weights):
        first = env.seed()
        for i in range(rounds):
            self.check(first + i, length, weights)

    def test_namespace_operations(self):
        self.run_many(rounds=12, length=400, weights=model_ops.NAMES)

    def test_file_operations(self):
        self.run_many(rounds=12, length=400, weights=model_ops.BYTES)

    def test_everything_mixed(self):
        self.run_many(rounds=12, length=400, weights=model_ops.ALL)

    def test_replay(self):
        text = os.environ.get("VCFS_REPLAY")
        if not text:
            self.skipTest("VCFS_REPLAY is not set")
        found = self.difference(json.loads(text))
        self.assertIsNone(found)


if __name__ == "__main__":
    unittest.main()
