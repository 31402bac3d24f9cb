/* Many viewers in one small process: counts what each connection is sent and throws it away.
 *
 *     loadgen [-u USER_AGENT] [-w WARM_UP_S] [-p PID]... HOST PORT PATH CONNECTIONS SECONDS
 *
 * Rules for this file: it must cost less than what it measures. One epoll loop reads with MSG_TRUNC
 * and no buffer, so the kernel drops the bytes without copying them; nothing is parsed. Frames are
 * bytes divided by the size of a part, which the caller knows.
 *
 * The clock starts when every connection has received something and WARM_UP_S have passed (TCP's
 * windows grow in the first second), and stops SECONDS later. With -p the CPU time of that process, or
 * of several, is read at the same two moments, so that work before and after is not charged to the frames.
 * One JSON object goes to stdout. Exit status 1, with a sentence on stderr, when it can't measure.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FIRST_BYTES_S 20.0  /* a server that hasn't answered everybody by then can't do this setting */
#define PROCESSES 80
#define READ_BYTES (4 << 20) /* more than a receive queue holds: one recv() empties it */

static double clock_s(clockid_t id)
{
    struct timespec t;
    return clock_gettime(id, &t) ? -1 : t.tv_sec + t.tv_nsec / 1e9;
}

static double sum_s(const clockid_t *ids, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        double one_s = clock_s(ids[i]);
        if (one_s < 0)
            return -1;
        sum += one_s;
    }
    return sum;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "loadgen: %s: %s\n", what, why);
    exit(1);
}

static int open_viewer(const struct sockaddr_in *to, const char *request)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to))
        fail("connect", strerror(errno));
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        fail("send request", strerror(errno));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    const char *agent = "loadgen";
    double warm_up_s = 1;
    clockid_t cpus[PROCESSES];
    int processes = 0, opt;
    while ((opt = getopt(argc, argv, "u:w:p:")) != -1) {
        if (opt == 'u') agent = optarg;
        else if (opt == 'w') warm_up_s = atof(optarg);
        else if (opt == 'p' && processes < PROCESSES) {
            if ((errno = clock_getcpuclockid(atol(optarg), &cpus[processes++])))
                fail("CPU clock of the server", strerror(errno));
        } else return 2;
    }
    if (argc - optind != 5) {
        fprintf(stderr, "usage: loadgen [-u USER_AGENT] [-w WARM_UP_S] [-p PID]... HOST PORT PATH CONNECTIONS SECONDS\n");
        return 2;
    }
    char **arg = argv + optind;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(arg[1]))};
    if (inet_pton(AF_INET, arg[0], &to.sin_addr) != 1)
        fail(arg[0], "not an IPv4 address");
    int count = atoi(arg[3]);
    double seconds = atof(arg[4]);
    if (count < 1 || seconds <= 0)
        fail("arguments", "at least one connection and a time above zero are needed");

    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    char request[1024];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: %s\r\nAccept: */*\r\n\r\n",
             arg[2], arg[0], arg[1], agent);
    uint64_t *bytes = calloc(count, sizeof *bytes), *before = calloc(count, sizeof *before);
    int *fds = calloc(count, sizeof *fds);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        fds[i] = open_viewer(&to, request);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event);
    }

    int silent = count, alive = count;
    double opened_s = clock_s(CLOCK_MONOTONIC), warm_s = 0, begin_s = 0, end_s = 0, cpu_begin_s = 0, cpu_end_s = 0;
    struct epoll_event events[512];
    for (;;) {
        double now_s = clock_s(CLOCK_MONOTONIC);
        if (!warm_s && !silent)
            warm_s = now_s + warm_up_s;
        if (!begin_s && warm_s && now_s >= warm_s) {
            cpu_begin_s = sum_s(cpus, processes);
            begin_s = clock_s(CLOCK_MONOTONIC);
            memcpy(before, bytes, count * sizeof *bytes);
        }
        if (begin_s && now_s >= begin_s + seconds) {
            cpu_end_s = sum_s(cpus, processes);
            end_s = clock_s(CLOCK_MONOTONIC);
            break;
        }
        if (!warm_s && now_s > opened_s + FIRST_BYTES_S)
            fail("first bytes", "not every connection was answered within 20 s");
        int ready = epoll_wait(poll, events, 512, 20);
        for (int k = 0; k < ready; k++) {
            int i = events[k].data.u32;
            ssize_t got = recv(fds[i], NULL, READ_BYTES, MSG_TRUNC);
            if (got > 0) {
                silent -= !bytes[i];
                bytes[i] += got;
            } else if (got == 0 || errno != EAGAIN) {
                silent -= !bytes[i];
                close(fds[i]);
                alive--;
            }
        }
    }

    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += bytes[i] -= before[i];
    qsort(bytes, count, sizeof *bytes, ascending);
    printf("{\"connections\": %d, \"alive\": %d, \"seconds\": %.6f, \"total_bytes\": %llu, \"min_bytes\": %llu, "
           "\"median_bytes\": %llu, \"max_bytes\": %llu, ",
           count, alive, end_s - begin_s, (unsigned long long)total, (unsigned long long)bytes[0],
           (unsigned long long)bytes[count / 2], (unsigned long long)bytes[count - 1]);
    if (processes && cpu_begin_s >= 0 && cpu_end_s >= 0)
        printf("\"server_cpu_s\": %.6f}\n", cpu_end_s - cpu_begin_s);
    else
        printf("\"server_cpu_s\": null}\n");
    return 0;
}
