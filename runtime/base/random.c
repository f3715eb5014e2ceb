#include "runtime/base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"

enum { BLOCK_BYTES = 256 }; /* what getrandom(2) gives whole, whatever signals come */

static _Thread_local uint8_t block[BLOCK_BYTES];
static _Thread_local size_t left;

static CLOCK_READER void refill(void)
{
    ssize_t n;
    do n = getrandom(block, sizeof block, 0);
    while (n < 0 && errno == EINTR);
    if (n != BLOCK_BYTES) {
        fprintf(stderr, "stepwell: the kernel gives no random bytes: %s\n", strerror(errno));
        abort();
    }
    left = BLOCK_BYTES;
}

void random_bytes(void *to, size_t len)
{
    assert(len <= BLOCK_BYTES);
    if (left < len) refill();
    memcpy(to, block + BLOCK_BYTES - left, len);
    memset(block + BLOCK_BYTES - left, 0, len);
    left -= len;
}

uint64_t random_u64(void)
{
    uint64_t bits;
    random_bytes(&bits, sizeof bits);
    return bits;
}
