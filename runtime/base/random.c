#include "runtime/base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "runtime/base/clock.h"

enum { BLOCK_BYTES = 256 }; /* getrandom(2) gives so many at once, whatever signals come */

static _Thread_local uint8_t random_block[BLOCK_BYTES];
static _Thread_local size_t random_left;

static CLOCK_READER void random_refill(void)
{
    ssize_t n;
    do n = getrandom(random_block, sizeof random_block, 0);
    while (n < 0 && errno == EINTR);
    if (n != BLOCK_BYTES) {
        fprintf(stderr, "stepwell: the kernel gives no random bytes: %s\n", strerror(errno));
        abort();
    }
    random_left = BLOCK_BYTES;
}

void random_bytes(void *to, size_t len)
{
    assert(len <= BLOCK_BYTES);
    if (random_left < len) random_refill();
    assert(len <= random_left && random_left <= BLOCK_BYTES);
    memcpy(to, random_block + BLOCK_BYTES - random_left, len);
    memset(random_block + BLOCK_BYTES - random_left, 0, len);
    random_left -= len;
}

uint64_t random_u64(void)
{
    uint64_t bits;
    random_bytes(&bits, sizeof bits);
    return bits;
}
