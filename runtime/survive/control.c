#include "runtime/survive/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKET_BUFFER_BYTES = 4 * CONTROL_BYTES_MAX };

/* Room for the control data of one descriptor, aligned as the kernel wants it. */
typedef union control_room {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
} control_room;

bool control_pair(int fds[2])
{
    int size = SOCKET_BUFFER_BYTES;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return false;
    /* As far as the system allows: a message that does not fit is sent later, or its connection is not kept. */
    for (int i = 0; i < 2; i++) (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return true;
}

static void control_pass_fd(struct msghdr *m, control_room *room, int fd)
{
    m->msg_control = room->bytes;
    m->msg_controllen = sizeof room->bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    assert(c); /* the room is large enough for one */
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
}

/* ETOOMANYREFS: too many descriptors are under way already. EMSGSIZE: more than the socket's buffer. */
static bool control_may_retry(int reason)
{
    return reason == EAGAIN || reason == EWOULDBLOCK || reason == ENOBUFS || reason == ENOMEM ||
           reason == ETOOMANYREFS || reason == EMSGSIZE;
}

control_result control_send(int fd, control_head head, const struct iovec *parts, size_t count, int pass_fd)
{
    struct iovec all[CONTROL_PARTS_MAX + 1];
    assert(head.kind >= CONTROL_READY && head.kind <= CONTROL_KEPT_ALL);
    assert(head.version == 0 && head.len == 0); /* are filled in here */
    assert(count <= CONTROL_PARTS_MAX);
    head.version = CONTROL_VERSION;
    all[0] = (struct iovec){&head, sizeof head};
    for (size_t i = 0; i < count; i++) {
        assert(parts[i].iov_len <= CONTROL_BYTES_MAX - head.len);
        all[i + 1] = parts[i];
        head.len += (uint32_t)parts[i].iov_len;
    }
    control_room room = {0};
    struct msghdr m = {.msg_iov = all, .msg_iovlen = count + 1};
    if (pass_fd >= 0) control_pass_fd(&m, &room, pass_fd);
    ssize_t n;
    do n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return control_may_retry(errno) ? CONTROL_AGAIN : CONTROL_GONE;
    assert((size_t)n == sizeof head + head.len); /* SOCK_SEQPACKET: whole or not at all */
    return CONTROL_OK;
}

/* -1: no descriptor came with the message. */
static int control_passed_fd(struct msghdr *m)
{
    int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        assert(fd < 0 && c->cmsg_len == CMSG_LEN(sizeof(int))); /* the room is for one */
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    }
    return fd;
}

control_result control_receive(int fd, control_message *m)
{
    control_room room;
    struct iovec parts[2] = {{&m->head, sizeof m->head}, {m->data, sizeof m->data}};
    struct msghdr message = {
        .msg_iov = parts, .msg_iovlen = 2, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
    ssize_t n;
    do n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return CONTROL_AGAIN;
    if (n <= 0) return CONTROL_GONE;
    m->fd = control_passed_fd(&message);
    bool whole = (size_t)n >= sizeof m->head && !(message.msg_flags & MSG_TRUNC) &&
                 m->head.len == (size_t)n - sizeof m->head && m->head.version == CONTROL_VERSION;
    if (!whole) m->head = (control_head){.kind = 0};
    return CONTROL_OK;
}

/* The supervisor sets LISTEN_PID and CONTROL_VARIABLE for its worker alone: a child of the worker that has inherited
 * the second finds another process's id in the first. */
static bool listen_pid_is_ours(void)
{
    const char *pid = getenv("LISTEN_PID");
    return pid && strtoll(pid, NULL, 10) == getpid();
}

int control_inherit(uint32_t *number)
{
    const char *value = getenv(CONTROL_VARIABLE);
    int fd = CONTROL_NONE, type = 0;
    long long parent = 0;
    *number = 0;
    socklen_t len = sizeof type;
    if (value && sscanf(value, "%d:%lld:%u", &fd, &parent, number) != 3)
        fd = CONTROL_NONE;
    else if (value && parent != getppid())
        fd = listen_pid_is_ours() ? CONTROL_ORPHAN : CONTROL_NONE;
    if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET ||
                    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0))
        fd = CONTROL_NONE;
    (void)unsetenv(CONTROL_VARIABLE);
    return fd;
}

control_ended control_inherit_ended(void)
{
    const char *value = getenv(CONTROL_ENDED_VARIABLE);
    long long pid = 0;
    int status = 0;
    if (value && sscanf(value, "%lld %d", &pid, &status) != 2) pid = 0;
    (void)unsetenv(CONTROL_ENDED_VARIABLE);
    return (control_ended){.pid = pid, .status = status};
}
