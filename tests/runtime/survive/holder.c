/* What a supervisor holds for its workers, through the messages that both exchange. */
#include "runtime/survive/holder.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/harness/check.h"

static control_message message; /* 128 KiB: not on a stack */

/* Has the holder take a message with so much data; `fd` is the holder's afterwards. */
static void tell(holder *h, control_kind kind, uint64_t key, size_t len, int fd)
{
    message.head = (control_head){.version = CONTROL_VERSION, .kind = (uint16_t)kind, .len = (uint32_t)len, .key = key};
    message.fd = fd;
    memset(message.data, 'x', len);
    holder_take_message(h, &message);
    CHECK_INT(message.fd, -1);
}

static int socket_of_client(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* Reads what the holder hands on to a new worker; false: a message is no CONTROL_KEPT. */
static bool next_kept(int worker, uint64_t key, size_t keep_len, size_t reply_len)
{
    uint32_t first_len = 0;
    CHECK(control_receive(worker, &message) == CONTROL_OK);
    if (message.head.kind != CONTROL_KEPT) return false;
    CHECK(message.fd >= 0 && message.head.key == key);
    CHECK_INT(message.head.len, sizeof first_len + keep_len + reply_len);
    memcpy(&first_len, message.data, sizeof first_len);
    CHECK_INT(first_len, keep_len);
    close(message.fd);
    return true;
}

static void test_handed_on(void)
{
    int fds[2];
    holder *h = holder_new(2);
    CHECK(h && control_pair(fds));
    tell(h, CONTROL_KEEP, 1, 10, socket_of_client());
    tell(h, CONTROL_KEEP, 2, 20, socket_of_client());
    tell(h, CONTROL_KEEP, 3, 30, socket_of_client()); /* one too many */
    CHECK_INT(holder_count(h), 2);
    tell(h, CONTROL_REPLY, 2, 5, -1);
    holder_begin_handing(h);
    CHECK(holder_hand_on(h, fds[0]) == CONTROL_OK);
    CHECK(next_kept(fds[1], 1, 10, 0) && next_kept(fds[1], 2, 20, 5));
    CHECK(!next_kept(fds[1], 0, 0, 0) && message.head.kind == CONTROL_KEPT_ALL);
    tell(h, CONTROL_RELEASE, 1, 0, -1);
    CHECK_INT(holder_count(h), 1);
    holder_free(h);
    close(fds[0]);
    close(fds[1]);
}

/* Texts that no message could hand on together are not held: a supervisor outlives what a worker tells it. */
static void test_too_long(void)
{
    int fds[2];
    holder *h = holder_new(9);
    CHECK(h && control_pair(fds));
    tell(h, CONTROL_KEEP, 1, CONTROL_BYTES_MAX, socket_of_client());
    CHECK_INT(holder_count(h), 0);
    tell(h, CONTROL_KEEP, 2, CONTROL_BYTES_MAX - sizeof(uint32_t) - 8, socket_of_client());
    tell(h, CONTROL_REPLY, 2, 8, -1);
    CHECK_INT(holder_count(h), 1);
    holder_begin_handing(h);
    CHECK(holder_hand_on(h, fds[0]) == CONTROL_OK);
    CHECK(next_kept(fds[1], 2, CONTROL_BYTES_MAX - sizeof(uint32_t) - 8, 8));
    tell(h, CONTROL_REPLY, 2, 9, -1);
    CHECK_INT(holder_count(h), 0);
    holder_free(h);
    close(fds[0]);
    close(fds[1]);
}

static const check_case cases[] = {
    {"held sockets are handed on", test_handed_on},
    {"texts too long to be handed on", test_too_long},
};
CHECK_MAIN(cases)
