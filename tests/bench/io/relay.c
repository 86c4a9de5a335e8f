/* vcfs-bench-relay: the bare two-hop relay, the limit for writing two copies on one machine.
 *
 *   client ──TCP──▶ A ──TCP──▶ B        A and B each write their file; A acknowledges what both have written;
 *                                       the client keeps at most `window` bytes unacknowledged and ends with an fsync of both.
 *
 *   vcfs-bench-relay DIR size=N block=N [window=N] [congestion=cubic]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

typedef struct {
  uint64_t offset;
  uint32_t length; /* 0: fsync */
  uint32_t unused;
} Header;

static const char *congestion;

static void tune(int fd) {
  int yes = 1, buffer = 4 << 20;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (congestion) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, (socklen_t)strlen(congestion));
}

static int listen_anywhere(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1) || getsockname(fd, (struct sockaddr *)&address, &length))
    bench_fail("listen", "127.0.0.1");
  *port = ntohs(address.sin_port);
  return fd;
}

static int connect_to(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  tune(fd);
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) bench_fail("connect", "127.0.0.1");
  return fd;
}

static int accept_one(int listener) {
  int fd = accept(listener, NULL, NULL);
  tune(fd);
  return fd;
}

static int receive_all(int fd, void *data, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t n = recv(fd, (char *)data + have, size - have, MSG_WAITALL);
    if (n <= 0) return 0;
    have += (size_t)n;
  }
  return 1;
}

static void send_all(int fd, const void *data, size_t size, int more) {
  for (size_t sent = 0; sent < size;) {
    ssize_t n = send(fd, (const char *)data + sent, size - sent, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    if (n <= 0) bench_fail("send", "");
    sent += (size_t)n;
  }
}

static int make_file(const char *directory, const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) bench_fail("open", path);
  return fd;
}

static void execute(int file, const Header *h, const char *data) {
  if (h->length == 0 ? fdatasync(file) : pwrite(file, data, h->length, (off_t)h->offset) != (ssize_t)h->length)
    bench_fail("write", "relay");
}

/* B: writes and acknowledges each message with one byte. */
static void run_last(int client, int file, size_t block) {
  char *data = bench_buffer(block);
  Header h;
  while (receive_all(client, &h, sizeof h) && receive_all(client, data, h.length)) {
    execute(file, &h, data);
    send_all(client, "a", 1, 0);
  }
}

typedef struct {
  int from, to;
  sem_t written; /* messages that A itself has executed */
} Acks;

static void *pass_acks(void *argument) {
  Acks *acks = argument;
  char byte;
  while (recv(acks->from, &byte, 1, 0) == 1) {
    sem_wait(&acks->written);
    send_all(acks->to, &byte, 1, 0);
  }
  return NULL;
}

/* A: forwards, writes, and acknowledges when B has too. */
static void run_first(int client, int next, int file, size_t block) {
  char *data = bench_buffer(block);
  Header h;
  Acks acks = {.from = next, .to = client};
  pthread_t thread;
  sem_init(&acks.written, 0, 0);
  pthread_create(&thread, NULL, pass_acks, &acks);
  while (receive_all(client, &h, sizeof h) && receive_all(client, data, h.length)) {
    send_all(next, &h, sizeof h, h.length > 0);
    send_all(next, data, h.length, 0);
    execute(file, &h, data);
    sem_post(&acks.written);
  }
  shutdown(next, SHUT_WR);
  pthread_join(thread, NULL);
}

static void wait_acks(int fd, size_t *outstanding, size_t limit) {
  char bytes[256];
  while (*outstanding > limit) {
    size_t wanted = *outstanding - limit;
    ssize_t n = recv(fd, bytes, wanted < sizeof bytes ? wanted : sizeof bytes, 0);
    if (n <= 0) bench_fail("recv", "relay");
    *outstanding -= (size_t)n;
  }
}

static void run_client(int fd, size_t size, size_t block, size_t window) {
  char *data = bench_buffer(block);
  size_t outstanding = 0, most = window / block ? window / block : 1;
  int64_t begin = now_ns();
  for (uint64_t offset = 0; offset < size; offset += block) {
    Header h = {.offset = offset, .length = (uint32_t)block};
    *(uint64_t *)data = offset + 1;
    wait_acks(fd, &outstanding, most - 1);
    send_all(fd, &h, sizeof h, 1);
    send_all(fd, data, block, 0);
    outstanding++;
  }
  Header sync = {.offset = size};
  send_all(fd, &sync, sizeof sync, 0);
  outstanding++;
  wait_acks(fd, &outstanding, 0);
  double seconds = (double)(now_ns() - begin) / 1e9;
  printf("{\"bytes\": %zu, \"seconds\": %.4f, \"MB_s\": %.2f}\n", size, seconds, (double)size / 1e6 / seconds);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "vcfs-bench-relay DIR [size=N] [block=N] [window=N] [congestion=NAME]\n"), 2;
  size_t size = bench_option(argc - 1, argv + 1, "size", 1u << 30), block = bench_option(argc - 1, argv + 1, "block", 1u << 20);
  congestion = option_text(argc - 1, argv + 1, "congestion");
  uint16_t port_a, port_b;
  int listen_a = listen_anywhere(&port_a), listen_b = listen_anywhere(&port_b);
  if (fork() == 0) {
    run_last(accept_one(listen_b), make_file(argv[1], "relay-b"), block);
    _exit(0);
  }
  if (fork() == 0) {
    int next = connect_to(port_b);
    run_first(accept_one(listen_a), next, make_file(argv[1], "relay-a"), block);
    _exit(0);
  }
  int fd = connect_to(port_a);
  run_client(fd, size, block, bench_option(argc - 1, argv + 1, "window", 16u << 20));
  close(fd);
  while (wait(NULL) > 0) {
  }
  return 0;
}
