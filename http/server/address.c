/* Listening sockets by address: made before there is a server, which then takes them. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/server/server.h"

enum { BACKLOG = 4096, HOST_BYTES = 256 };

/* Parts "HOST:PORT", "[v6]:PORT" or ":PORT" into host ("": all addresses) and port, which points into `address`. False:
 * another form, or a host that does not fit. */
static bool address_split(const char *address, char *host, size_t host_size, const char **port)
{
    assert(host_size > 0);
    const char *colon = strrchr(address, ':'), *from = address, *end = colon;
    if (!colon || colon[1] == 0 || strspn(colon + 1, "0123456789") != strlen(colon + 1)) return false;
    if (*from == '[') {
        if (end == from || end[-1] != ']') return false;
        from++;
        end--;
        if (from == end) return false;
    } else if (memchr(from, ':', (size_t)(end - from))) {
        return false; /* an IPv6 address without brackets */
    }
    if ((size_t)(end - from) >= host_size) return false;
    memcpy(host, from, (size_t)(end - from));
    host[end - from] = 0;
    *port = colon + 1;
    return true;
}

typedef enum bind_mode {
    BIND_ALONE, /* fails when another socket listens there, also one that shares its port */
    BIND_SHARED
} bind_mode;

/* Returns a new listening socket; -1 with errno. */
static int listen_on(const struct sockaddr *to, socklen_t to_len, bind_mode mode)
{
    static const int on = 1, off = 0;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool is_any = to->sa_family == AF_INET6 &&
                  IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)to)->sin6_addr);
    bool ready = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    if (mode == BIND_SHARED) ready = ready && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
    if (is_any) ready = ready && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0;
    ready = ready && bind(fd, to, to_len) == 0;
    /* Alone, SO_REUSEPORT comes after bind: bind fails if another socket is there, and later sockets may still join. */
    ready = ready && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 && listen(fd, BACKLOG) == 0;
    if (ready) return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static const char *listen_error_hint(int reason)
{
    switch (reason) {
    case EADDRINUSE:
        return "; stop the program that has this port or choose another port";
    case EACCES:
        return "; ports below 1024 need a privilege, choose a higher one";
    case EADDRNOTAVAIL:
        return "; this machine does not have that address";
    default:
        return "";
    }
}

static int listen_resolved(const char *address, const char *host, const char *port, char *error, size_t error_size)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed) {
        snprintf(error, error_size, "cannot listen on %s: %s", address,
                 failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return -1;
    }
    int fd = -1, reason = EADDRNOTAVAIL;
    for (const struct addrinfo *to = found; to && fd < 0; to = to->ai_next) {
        fd = listen_on(to->ai_addr, to->ai_addrlen, BIND_ALONE);
        if (fd < 0) reason = errno;
    }
    freeaddrinfo(found);
    if (fd < 0)
        snprintf(error, error_size, "cannot listen on %s: %s%s", address, strerror(reason), listen_error_hint(reason));
    return fd;
}

int http_listen(const char *address, char *error, size_t error_size)
{
    char host[HOST_BYTES];
    const char *port;
    if (!address_split(address, host, sizeof(host), &port) || strlen(port) > 5 || strtoul(port, NULL, 10) > 65535) {
        snprintf(error, error_size, "cannot listen on \"%s\": write HOST:PORT, [IPv6]:PORT or :PORT", address);
        return -1;
    }
    if (host[0]) return listen_resolved(address, host, port, error, error_size);
    /* One IPv6 socket serves both families, where there is IPv6. */
    int fd = listen_resolved(address, "::", port, error, error_size);
    return fd >= 0 ? fd : listen_resolved(address, "0.0.0.0", port, error, error_size);
}

int http_listen_share(int fd, char *error, size_t error_size)
{
    struct sockaddr_storage name = {0};
    socklen_t name_len = sizeof(name);
    int shared = -1;
    if (getsockname(fd, (struct sockaddr *)&name, &name_len) == 0)
        shared = listen_on((const struct sockaddr *)&name, name_len, BIND_SHARED);
    if (shared < 0) snprintf(error, error_size, "cannot share the listening address: %s", strerror(errno));
    return shared;
}

/* ---- Sockets in the file system ---- */

/* Whether nobody listens at the path any more, where a socket is: its process has ended and left it. */
static bool socket_is_left_over(const struct sockaddr_un *to)
{
    struct stat about;
    if (lstat(to->sun_path, &about) != 0 || !S_ISSOCK(about.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool refused = connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* Returns a new listening socket; -1 with errno. The mode is set before the path is there, so that nobody else can
 * connect in between. */
static int listen_on_path(const struct sockaddr_un *to)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool ready = fchmod(fd, S_IRUSR | S_IWUSR) == 0 && bind(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 &&
                 listen(fd, BACKLOG) == 0;
    if (ready) return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int http_listen_unix(const char *path, char *error, size_t error_size)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct stat about;
    if (!*path) { /* the kernel would choose a name that is in no folder, and so has no mode: anybody could connect */
        snprintf(error, error_size, "cannot listen on \"unix:\": the path is empty");
        return -1;
    }
    if (strlen(path) >= sizeof(to.sun_path)) {
        snprintf(error, error_size, "cannot listen on %.200s: the path of a socket has at most %zu bytes", path,
                 sizeof(to.sun_path) - 1);
        return -1;
    }
    memcpy(to.sun_path, path, strlen(path) + 1);
    if (socket_is_left_over(&to)) (void)unlink(path);
    int fd = listen_on_path(&to), reason = errno;
    if (fd >= 0) return fd;
    const char *hint = "";
    if (reason == EADDRINUSE && lstat(path, &about) == 0)
        hint = S_ISSOCK(about.st_mode) ? "; stop the program that has it or choose another path"
                                       : "; what is there is no socket: choose another path";
    snprintf(error, error_size, "cannot listen on %s: %s%s", path, strerror(reason), hint);
    return -1;
}

_Static_assert(sizeof(struct sockaddr_storage) >= sizeof(struct sockaddr_in6), "an address of either family fits");
_Static_assert(sizeof(struct sockaddr_storage) > sizeof(struct sockaddr_un), "a path is followed by a zero");

bool http_listen_address(int fd, char *out, size_t out_size)
{
    struct sockaddr_storage name = {0};
    socklen_t name_len = sizeof(name), flag_len = sizeof(int);
    char host[INET6_ADDRSTRLEN];
    int listening = 0, len = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_len) != 0 || !listening) return false;
    if (getsockname(fd, (struct sockaddr *)&name, &name_len) != 0) return false;
    if (name.ss_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)&name;
        if (!inet_ntop(AF_INET, &four->sin_addr, host, sizeof(host))) return false;
        len = snprintf(out, out_size, "%s:%d", host, ntohs(four->sin_port));
    } else if (name.ss_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&name;
        if (!inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof(host))) return false;
        len = snprintf(out, out_size, "[%s]:%d", host, ntohs(six->sin6_port));
    } else if (name.ss_family == AF_UNIX) {
        len = snprintf(out, out_size, "unix:%s", ((const struct sockaddr_un *)&name)->sun_path);
    }
    return len > 0 && (size_t)len < out_size;
}
