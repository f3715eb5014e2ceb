#include "runtime/process/admin_socket.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/server/server.h"

enum { ADDRESS_BYTES = 128, WHY_BYTES = 512, PORT_MAX = 65535 };

/* The port behind the last colon; 0: there is none. */
static long address_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon ? strtol(colon + 1, NULL, 10) : 0;
}

/* The path of a socket in the file system: "unix:PATH", or a text with a slash that is no URL. NULL: it is no path. */
static const char *address_path(const char *address)
{
    static const char scheme[] = "unix:";
    if (strncmp(address, scheme, sizeof scheme - 1) == 0) return address + sizeof scheme - 1;
    return strchr(address, '/') && !strstr(address, "://") ? address : NULL;
}

/* Writes where the admin API is with --dev alone: on this machine, one port above the public one; a free port if that
 * was left to the kernel too. False: there is no port above. */
static bool dev_address(const sw_options *o, int public_fd, char out[ADDRESS_BYTES])
{
    char public[ADDRESS_BYTES] = "";
    (void)http_listen_address(public_fd, public, sizeof public);
    bool is_free = address_port(o->listen) == 0 && strrchr(o->listen, ':');
    long port = is_free ? 0 : address_port(public) + 1;
    const char *host = strncmp(public, "[::1]", 5) == 0 ? "[::1]" : "127.0.0.1";
    (void)snprintf(out, ADDRESS_BYTES, "%s:%ld", host, port);
    return port <= PORT_MAX;
}

static int admin_listen(const char *address, int public_fd, char *error, size_t error_size)
{
    char public[ADDRESS_BYTES] = "";
    const char *path = address_path(address);
    if (path) return http_listen_unix(path, error, error_size);
    int fd = http_listen(address, error, error_size);
    (void)http_listen_address(public_fd, public, sizeof public);
    bool is_taken = fd < 0 && strstr(error, strerror(EADDRINUSE));
    if (is_taken && address_port(address) > 0 && address_port(address) == address_port(public))
        (void)snprintf(error, error_size, "cannot listen on %.200s: that port is --listen's", address);
    return fd;
}

bool admin_socket_open(const sw_options *o, sockets *s, char *error, size_t error_size)
{
    char address[ADDRESS_BYTES], why[WHY_BYTES] = "there is no port above --listen's";
    const char *given = o->admin_listen && *o->admin_listen ? o->admin_listen : NULL;
    assert(s->count >= 1);
    if (given && strcmp(given, "none") == 0) {
        if (s->admin >= 0) close(s->admin);
        s->admin = -1;
        return true;
    }
    if (s->admin >= 0 || (!given && !o->dev)) return true;
    bool has_address = given || dev_address(o, s->fds[0], address);
    if (has_address) s->admin = admin_listen(given ? given : address, s->fds[0], why, sizeof why);
    if (s->admin >= 0) return true;
    (void)snprintf(error, error_size, "%s%s%s", given ? "--admin-listen: " : "the admin API of --dev: ", why,
                   given ? "" : " (--admin-listen HOST:PORT, or none)");
    return false;
}
