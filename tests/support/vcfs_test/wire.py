"""A slow, thin or lossy cable: carries Ethernet frames between two interfaces, late or not at all.

Run as `wire.py INTERFACE INTERFACE DELAY_MS LOSS_PERCENT MBIT SEED SCRATCH_DIR` in the namespace of both (MBIT per second, each way,
0: any number; SCRATCH_DIR only says whose it is). Frames travel with the kernel's notes about checksum and segmentation
(PACKET_VNET_HDR), so that offloads need not be turned off. Order is kept. It says "ready" and begins to carry when it is told so by a
line.
"""
import collections
import random
import select
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR = 263, 15
ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network order
OUTGOING = 4            # what we sent ourselves is shown to us as well
LARGEST = 70_000        # a segmented send of 64 KiB and its headers
QUEUE_S = 0.3           # what a thin cable lets wait before it, each way; more is lost


def opened(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
    end.bind((interface, socket.ntohs(ALL_PROTOCOLS)))
    end.setblocking(False)
    return end


class Cable:
    def __init__(self, ends, delay, loss, rate, chance):
        self.ends, self.delay, self.loss, self.rate, self.chance = ends, delay, loss, rate, chance
        self.travelling = {end: collections.deque() for end in ends}  # to it: (when, frame)
        self.free = {end: 0 for end in ends}  # when the cable is, towards it

    def take(self, end):
        try:
            frame, address = end.recvfrom(LARGEST)
        except OSError:
            return
        if address[2] == OUTGOING or self.chance.random() < self.loss:
            return
        other = self.ends[1] if end is self.ends[0] else self.ends[0]
        now = time.monotonic()
        begin = max(now, self.free[other])
        if begin > now + QUEUE_S:
            return
        self.free[other] = begin + (len(frame) * 8 / self.rate if self.rate else 0)
        self.travelling[other].append((self.free[other] + self.delay, frame))

    def deliver(self):
        for to, frames in self.travelling.items():
            while frames and frames[0][0] <= time.monotonic():
                _, frame = frames.popleft()
                try:
                    to.send(frame)
                except OSError:
                    pass  # a full queue loses a frame, as a cable's does

    def carry(self):
        while True:
            first = min((frames[0][0] for frames in self.travelling.values() if frames), default=None)
            wait = None if first is None else first - time.monotonic()
            for end in select.select(self.ends, [], [], None if wait is None else max(0, wait))[0]:
                self.take(end)
            self.deliver()


def main():
    first, second, delay_ms, loss_percent, mbit, seed = sys.argv[1:7]
    cable = Cable([opened(first), opened(second)], float(delay_ms) / 1000, float(loss_percent) / 100, float(mbit) * 1e6,
                  random.Random(int(seed)))
    print("ready", flush=True)
    sys.stdin.readline()  # when it is plugged in
    cable.carry()


if __name__ == "__main__":
    main()
