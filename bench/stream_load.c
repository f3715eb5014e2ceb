/* stream_load: reads many event streams at once and says how late their chunks come. Each chunk has the moment at which
 * it was due, "due=" and microseconds of CLOCK_MONOTONIC, and is due one period after the one before: a chunk that is
 * lost, repeated or out of order ends the program.   stream_load URL STREAMS PERIOD_MS SECONDS
 * Prints "open" when each stream has had a chunk, "over" when the seconds behind that are over, then "chunks N of N
 * p50_ms X p99_ms X max_ms X", and waits until it is ended, its streams open. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512, BYTES = 65536, OPEN_US_MIN = 2000000, OPEN_US_MAX = 60000000 };

typedef struct stream {
    int fd;
    unsigned matched; /* bytes of the marker that have come */
    uint64_t number;  /* the digits behind it so far */
    uint64_t due_us;  /* of the last chunk; 0: none has come */
} stream;

static const char marker[] = "due=";
static struct sockaddr_in address;
static char request[1024];
static size_t request_len, count, opened, begun, got, latencies_max;
static uint64_t period_us, window_from_us; /* 0: not all streams are open */
static stream *streams;
static float *latencies; /* ms */
static int events_fd;

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "stream_load: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void stream_chunk(stream *s, uint64_t due_us, uint64_t at_us)
{
    if (s->due_us == 0)
        begun++;
    else
        must(due_us == s->due_us + period_us, "a chunk is lost, repeated or out of order");
    s->due_us = due_us;
    if (window_from_us == 0 || got == latencies_max) return;
    latencies[got++] = (float)((double)at_us - (double)due_us) / 1000;
}

static void stream_take(stream *s, const char *data, size_t len, uint64_t at_us)
{
    for (size_t i = 0; i < len; i++) {
        char b = data[i];
        if (s->matched == 0) {
            const char *found = memchr(data + i, marker[0], len - i);
            if (!found) return;
            i = (size_t)(found - data);
            s->matched = 1;
        } else if (s->matched < sizeof marker - 1) {
            s->matched = b == marker[s->matched] ? s->matched + 1 : b == marker[0];
            s->number = 0;
        } else if (b >= '0' && b <= '9') {
            s->number = s->number * 10 + (uint64_t)(b - '0');
        } else {
            stream_chunk(s, s->number, at_us);
            s->matched = 0;
        }
    }
}

static void stream_read(stream *s)
{
    static char bytes[BYTES];
    ssize_t n = recv(s->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) return;
    must(n > 0, "the server closed a stream");
    must(s->due_us > 0 || n < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0 || memcmp(bytes + 9, "200", 3) == 0,
         "the server refused a stream");
    stream_take(s, bytes, (size_t)n, now_us());
}

static void stream_open(stream *s)
{
    int on = 1;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(s->fd >= 0, "socket");
    must(connect(s->fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    must(setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "nodelay");
    must(send(s->fd, request, request_len, MSG_NOSIGNAL) == (ssize_t)request_len, "send");
    must(fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0, "nonblock");
    must(epoll_ctl(events_fd, EPOLL_CTL_ADD, s->fd, &e) == 0, "epoll");
    opened++;
}

static void read_some(int wait_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(events_fd, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) stream_read(events[i].data.ptr);
}

/* Opens the streams evenly over whole periods: so their chunks are due evenly over each period. */
static void open_all(void)
{
    uint64_t open_us = (OPEN_US_MIN + period_us - 1) / period_us * period_us, from_us = now_us();
    while (begun < count) {
        uint64_t passed_us = now_us() - from_us;
        while (opened < count && opened * open_us / count <= passed_us) stream_open(&streams[opened]);
        read_some(1);
        must(passed_us < OPEN_US_MAX, "not every stream has had a chunk within a minute");
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void parse_url(const char *url)
{
    char host[64], path[512] = "";
    int port = 0;
    must(sscanf(url, "http://%63[0-9.]:%d%511s", host, &port, path) >= 2, "the URL is http://ADDRESS:PORT/PATH");
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    must(inet_pton(AF_INET, host, &address.sin_addr) == 1, "address");
    request_len =
        (size_t)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\n\r\n",
                         path[0] ? path : "/", host, port);
}

int main(int argc, char **argv)
{
    must(argc == 5, "usage: stream_load URL STREAMS PERIOD_MS SECONDS");
    parse_url(argv[1]);
    count = strtoul(argv[2], NULL, 10);
    period_us = strtoull(argv[3], NULL, 10) * 1000;
    uint64_t window_us = strtoull(argv[4], NULL, 10) * 1000000;
    must(count > 0 && period_us > 0 && window_us > 0, "STREAMS, PERIOD_MS and SECONDS are above 0");
    size_t wanted = (size_t)(count * (window_us / period_us));
    latencies_max = 2 * wanted;
    streams = calloc(count, sizeof *streams);
    latencies = calloc(latencies_max, sizeof *latencies);
    events_fd = epoll_create1(EPOLL_CLOEXEC);
    must(streams && latencies && events_fd >= 0, "out of memory");
    open_all();
    (void)puts("open");
    (void)fflush(stdout);
    window_from_us = now_us();
    while (now_us() - window_from_us < window_us) read_some(10);
    size_t all = got;
    (void)puts("over");
    (void)fflush(stdout);
    qsort(latencies, all, sizeof *latencies, by_size);
    must(all > 0, "no chunk came");
    printf("chunks %zu of %zu p50_ms %.3f p99_ms %.3f max_ms %.3f\n", all, wanted, (double)latencies[(all - 1) / 2],
           (double)latencies[(all - 1) * 99 / 100], (double)latencies[all - 1]);
    (void)fflush(stdout);
    for (;;) (void)pause();
}
