#include "http/server/position.h"

/* Not <netinet/tcp.h>, which has an older, shorter tcp_info and cannot be included beside this one. */
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { TRIES = 100 };

static bool position_acked(int fd, uint64_t *bytes)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) return false;
    if (len < offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked) return false;
    *bytes = info.tcpi_bytes_acked;
    return true;
}

size_t position_unacked(int fd)
{
    int queued = 0;
    return ioctl(fd, SIOCOUTQ, &queued) == 0 && queued > 0 ? (size_t)queued : 0;
}

/* Adds the bytes that the client has acknowledged and those that it has not. An acknowledgement between the two
 * readings would leave its bytes out of both: then both are read again. */
bool position_get(int fd, uint64_t *bytes)
{
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = 0, after = 0;
        int queued = 0;
        if (!position_acked(fd, &before) || ioctl(fd, SIOCOUTQ, &queued) != 0 || queued < 0 ||
            !position_acked(fd, &after))
            return false;
        if (before != after) continue;
        *bytes = after + (uint64_t)queued;
        return true;
    }
    return false;
}
