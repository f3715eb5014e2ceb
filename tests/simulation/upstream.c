#include "tests/simulation/upstream.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/simulation/promises.h"

enum { LINKS_MAX = 128, REQUEST_BYTES = 2048, BACKLOG = 128 };
static const int64_t MS = 1000000;

/* What becomes of a request. */
typedef enum mood {
    MOOD_ANSWERS,
    MOOD_FAILS,     /* 503 */
    MOOD_CLOSES,    /* without an answer */
    MOOD_LEAVES,    /* answers, and closes the connection behind it without saying so */
    MOOD_IS_SILENT, /* never answers */
    MOODS
} mood;

typedef struct link {
    int fd; /* -1: free */
    size_t len;
    char request[REQUEST_BYTES];
    mood mood;
    unsigned answered; /* requests before this one */
    int64_t at_ns;     /* of the answer; 0: no whole request is there */
} link_to;

static link_to links[LINKS_MAX];
static int listener = -1;

/* ---- Sockets ---- */

static socklen_t address_of(struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, UPSTREAM_NAME "%d", (int)getpid());
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

void upstream_begin(void)
{
    struct sockaddr_un a;
    socklen_t len = address_of(&a);
    for (unsigned i = 0; i < LINKS_MAX; i++) links[i].fd = -1;
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, len) != 0 || listen(listener, BACKLOG) != 0) abort();
}

int upstream_connect(void)
{
    struct sockaddr_un a;
    socklen_t len = address_of(&a);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, len) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static void link_close(link_to *l)
{
    close(l->fd);
    *l = (link_to){.fd = -1};
}

void upstream_end(void)
{
    for (unsigned i = 0; i < LINKS_MAX; i++)
        if (links[i].fd >= 0) link_close(&links[i]);
    close(listener);
    listener = -1;
}

/* Nearly always nobody has come, which poll() says for a tenth of what accept() takes to refuse. */
static bool accept_one(void)
{
    struct pollfd come = {.fd = listener, .events = POLLIN};
    unsigned i = 0;
    while (i < LINKS_MAX && links[i].fd >= 0) i++;
    int fd = i < LINKS_MAX && poll(&come, 1, 0) == 1 ? accept(listener, NULL, NULL) : -1;
    if (fd < 0) return false;
    links[i] = (link_to){.fd = fd};
    return true;
}

/* ---- Requests ---- */

static unsigned long number_of(const char *request, const char *name)
{
    const char *at = strcasestr(request, name);
    return at ? strtoul(at + strlen(name), NULL, 10) : 0;
}

static void take_request(link_to *l)
{
    const char *end = strstr(l->request, "\r\n\r\n");
    if (!end || l->len < (size_t)(end + 4 - l->request) + number_of(l->request, "\r\nContent-Length: ")) return;
    l->mood = world_chance(RANDOM_LIVE, 60) ? MOOD_ANSWERS : (mood)world_below(RANDOM_LIVE, MOODS);
    l->at_ns = w->steady_ns + world_between(RANDOM_LIVE, 0, 150) * MS;
    world_note("upstream has call %lu, the %u. of its connection, and is in mood %d",
               number_of(l->request, "\r\nX-Call: "), l->answered + 1, l->mood);
    static const char name[] = "\r\nIdempotency-Key: ";
    char key[KEY_TEXT] = "";
    const char *at = strcasestr(l->request, name);
    if (at) (void)snprintf(key, sizeof key, "%.26s", at + strlen(name));
    promise_call((uint32_t)number_of(l->request, "\r\nX-Call: "), key);
}

static bool read_some(link_to *l)
{
    ssize_t n = recv(l->fd, l->request + l->len, sizeof l->request - 1 - l->len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
        link_close(l);
        return true;
    }
    l->len += (size_t)n;
    l->request[l->len] = 0;
    take_request(l);
    return true;
}

static bool answer(link_to *l)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    if (l->at_ns > w->steady_ns || l->mood == MOOD_IS_SILENT) return false;
    if (l->mood == MOOD_FAILS)
        (void)send(l->fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if (l->mood != MOOD_CLOSES)
        (void)send(l->fd, ok, sizeof ok - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (l->mood == MOOD_CLOSES || l->mood == MOOD_LEAVES)
        link_close(l);
    else
        *l = (link_to){.fd = l->fd, .answered = l->answered + 1};
    return true;
}

bool upstream_turn(void)
{
    bool any = false;
    while (accept_one()) any = true;
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        link_to *l = &links[i];
        if (l->fd >= 0 && (l->at_ns == 0 || l->mood == MOOD_IS_SILENT)) any = read_some(l) || any;
        if (l->fd >= 0 && l->at_ns > 0) any = answer(l) || any;
    }
    return any;
}

int64_t upstream_due_ns(void)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < LINKS_MAX; i++) {
        const link_to *l = &links[i];
        if (l->fd >= 0 && l->at_ns > 0 && l->mood != MOOD_IS_SILENT && l->at_ns < due) due = l->at_ns;
    }
    return due;
}
