/* The floor: the least work that delivers one frame to every viewer, so that "fast" means something.
 *
 *     floor PORT FPS PART_FILE [NOTSENT_LOWAT]
 *
 * Rules for this file: no work that the job doesn't need, and none left out that it does. At each
 * tick of one timer, one non-blocking send() of one shared buffer per viewer; EPOLLOUT only after a
 * send that took nothing or not everything; a viewer that is still taking the last frame when the
 * next one comes gets the newest when it is done. No capture, no encoding, no count per viewer.
 * The head of the reply and the bytes of a part are those that manyeyes sends.
 *
 * PORT 0 picks a free port; "floor: PORT" goes to stdout once it listens. It runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_FDS 4096

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: multipart/x-mixed-replace; boundary=frame\r\n"
    "Cache-Control: no-store\r\n"
    "X-Accel-Buffering: no\r\n"
    "Connection: close\r\n\r\n";

enum { UNUSED, HEADING, STREAMING };

static struct viewer {
    int state;
    int matched;   /* bytes of the blank line seen so far, while HEADING */
    int waiting;   /* EPOLLOUT is armed */
    int newer;     /* a frame came while `left` was being sent */
    size_t left;   /* bytes of the current part not sent yet */
} viewers[MAX_FDS];

static char *part;
static size_t part_bytes;
static int poll_fd, highest, lowat;

static void watch(int fd, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poll_fd, operation, fd, &event);
}

static void drop(int fd)
{
    viewers[fd].state = UNUSED;
    close(fd);
}

static void deliver(int fd)
{
    struct viewer *v = &viewers[fd];
    ssize_t sent = send(fd, part + part_bytes - v->left, v->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        drop(fd);
        return;
    }
    if (sent > 0)
        v->left -= sent;
    if (!v->left && v->newer) {
        v->newer = 0;
        v->left = part_bytes; /* EPOLLOUT stays armed: it is started when the socket can take it */
    }
    if (!!v->left != v->waiting) {
        v->waiting = !!v->left;
        watch(fd, EPOLL_CTL_MOD, v->waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

static void tick(int timer)
{
    uint64_t ticks;
    if (read(timer, &ticks, sizeof ticks) < 0)
        return;
    for (int fd = 0; fd <= highest; fd++) {
        struct viewer *v = &viewers[fd];
        if (v->state != STREAMING)
            continue;
        if (v->left) {
            v->newer = 1;
            continue;
        }
        v->left = part_bytes;
        deliver(fd);
    }
}

static void accept_viewer(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (fd >= MAX_FDS) {
        close(fd);
        return;
    }
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (lowat)
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
    viewers[fd] = (struct viewer){.state = HEADING};
    if (fd > highest)
        highest = fd;
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void read_request(int fd)
{
    struct viewer *v = &viewers[fd];
    char input[4096];
    ssize_t got = recv(fd, input, sizeof input, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        drop(fd);
        return;
    }
    for (ssize_t i = 0; i < got && v->state == HEADING; i++) {
        v->matched = input[i] == "\r\n\r\n"[v->matched] ? v->matched + 1 : input[i] == '\r';
        if (v->matched == 4) {
            if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0) {
                drop(fd);
                return;
            }
            v->state = STREAMING;
        }
    }
}

static void load_part(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        exit(1);
    }
    part_bytes = ftell(file);
    rewind(file);
    part = malloc(part_bytes);
    if (!part || fread(part, 1, part_bytes, file) != part_bytes) {
        perror(path);
        exit(1);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    if (argc < 4 || atof(argv[2]) <= 0) {
        fprintf(stderr, "usage: floor PORT FPS PART_FILE [NOTSENT_LOWAT]\n");
        return 2;
    }
    load_part(argv[3]);
    lowat = argc > 4 ? atoi(argv[4]) : 0;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    socklen_t size = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024)) {
        perror("floor: listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    long period_ns = 1e9 / atof(argv[2]);
    struct timespec period = {period_ns / 1000000000, period_ns % 1000000000};
    timerfd_settime(timer, 0, &(struct itimerspec){period, period}, NULL);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(timer, EPOLL_CTL_ADD, EPOLLIN);
    printf("floor: %d\n", ntohs(address.sin_port));
    fflush(stdout);

    struct epoll_event events[256];
    for (;;) {
        int ready = epoll_wait(poll_fd, events, 256, -1);
        for (int k = 0; k < ready; k++) {
            int fd = events[k].data.fd;
            if (fd == listener)
                accept_viewer(fd);
            else if (fd == timer)
                tick(fd);
            else {
                if (events[k].events & EPOLLOUT && viewers[fd].state == STREAMING)
                    deliver(fd);
                if (events[k].events & ~EPOLLOUT && viewers[fd].state != UNUSED)
                    read_request(fd);
            }
        }
    }
}
