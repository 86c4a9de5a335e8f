"""A slow or lossy cable: carries Ethernet frames between two interfaces, late or not at all.

Run as `wire.py INTERFACE INTERFACE DELAY_MS LOSS_PERCENT SEED SCRATCH_DIR` in the namespace of both (SCRATCH_DIR only says whose
it is). Frames travel with the kernel's notes about checksum and segmentation (PACKET_VNET_HDR), so that offloads need not be
turned off. Order is kept. It says "ready" and begins to carry when it is told so by a line.
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


def opened(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 64 << 20)
    end.bind((interface, socket.ntohs(ALL_PROTOCOLS)))
    end.setblocking(False)
    return end


class Cable:
    def __init__(self, ends, delay, loss, chance):
        self.ends, self.delay, self.loss, self.chance = ends, delay, loss, chance
        self.travelling = collections.deque()  # (when, frame, to)

    def take(self, end):
        try:
            frame, address = end.recvfrom(LARGEST)
        except OSError:
            return
        if address[2] == OUTGOING or self.chance.random() < self.loss:
            return
        other = self.ends[1] if end is self.ends[0] else self.ends[0]
        self.travelling.append((time.monotonic() + self.delay, frame, other))

    def deliver(self):
        while self.travelling and self.travelling[0][0] <= time.monotonic():
            _, frame, to = self.travelling.popleft()
            try:
                to.send(frame)
            except OSError:
                pass  # a full queue loses a frame, as a cable's does

    def carry(self):
        while True:
            wait = self.travelling[0][0] - time.monotonic() if self.travelling else None
            for end in select.select(self.ends, [], [], None if wait is None else max(0, wait))[0]:
                self.take(end)
            self.deliver()


def main():
    first, second, delay_ms, loss_percent, seed = sys.argv[1:6]
    cable = Cable([opened(first), opened(second)], float(delay_ms) / 1000, float(loss_percent) / 100, random.Random(int(seed)))
    print("ready", flush=True)
    sys.stdin.readline()  # when it is plugged in
    cable.carry()


if __name__ == "__main__":
    main()
