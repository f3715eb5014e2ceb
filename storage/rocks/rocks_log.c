#include "storage/rocks/rocks_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 32768, HEADER_BYTES = 7, SECTOR_BYTES = 512 };
_Static_assert(BLOCK_BYTES % SECTOR_BYTES == 0, "no sector lies in two blocks");
_Static_assert(BLOCK_BYTES <= UINT16_MAX + HEADER_BYTES, "a length of 16 bits reaches the end of a block");

typedef enum fragment_type {
    FRAGMENT_ZERO,
    FRAGMENT_FULL,
    FRAGMENT_FIRST,
    FRAGMENT_MIDDLE,
    FRAGMENT_LAST
} fragment_type;

typedef struct fragment {
    size_t at, len; /* where its header is; how many bytes are behind that */
    uint8_t type;
} fragment;

/* ---- CRC-32C (RFC 3720, B.4), eight bytes at a time ---- */

static uint32_t crc_tables[8][256];

static void crc32c_make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc_tables[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            crc_tables[t][i] = crc_tables[t - 1][i] >> 8 ^ crc_tables[0][crc_tables[t - 1][i] & 0xff];
}

static uint32_t crc32c(const uint8_t *p, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, crc32c_make_tables);
    uint32_t c = 0xffffffffu;
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = c ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
        c = crc_tables[7][low & 0xff] ^ crc_tables[6][low >> 8 & 0xff] ^ crc_tables[5][low >> 16 & 0xff] ^
            crc_tables[4][low >> 24] ^ crc_tables[3][p[4]] ^ crc_tables[2][p[5]] ^ crc_tables[1][p[6]] ^
            crc_tables[0][p[7]];
    }
    for (; len > 0; p++, len--) c = crc_tables[0][(c ^ *p) & 0xff] ^ c >> 8;
    return ~c;
}

/* RocksDB masks checksums, since one over bytes that hold checksums is weak (util/crc32c.h). */
static uint32_t crc32c_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

/* ---- Files ---- */

bool rocks_log_open(rocks_log *g, const char *path)
{
    struct stat st;
    *g = (rocks_log){.data = NULL};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fstat(fd, &st) == 0 && (g->data = malloc((size_t)st.st_size + 1));
    while (ok && g->len < (size_t)st.st_size) {
        ssize_t n = read(fd, g->data + g->len, (size_t)st.st_size - g->len);
        if (n < 0 && errno == EINTR) continue;
        ok = n >= 0;
        if (n <= 0) break;
        g->len += (size_t)n;
    }
    int reason = errno;
    close(fd);
    assert(!ok || g->len <= (size_t)st.st_size);
    if (!ok) rocks_log_close(g);
    errno = reason;
    return ok;
}

void rocks_log_close(rocks_log *g)
{
    free(g->data);
    free(g->record);
    g->data = g->record = NULL;
}

/* ---- Fragments ---- */

static size_t block_end(size_t at) { return at / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES; }

static bool bytes_are_zero(const rocks_log *g, size_t from, size_t to)
{
    for (; from < to && from < g->len; from++)
        if (g->data[from] != 0) return false;
    return true;
}

/* Reads the fragment whose header is at `at`; the block has room for a header there. False: the fragment goes beyond
 * its block or the file, or has another checksum. */
static bool fragment_read(const rocks_log *g, size_t at, fragment *f)
{
    assert(block_end(at) - at >= HEADER_BYTES);
    if (at + HEADER_BYTES > g->len) return false;
    const uint8_t *h = g->data + at;
    *f = (fragment){.at = at, .len = (size_t)h[4] | (size_t)h[5] << 8, .type = h[6]};
    if (at + HEADER_BYTES + f->len > block_end(at) || at + HEADER_BYTES + f->len > g->len) return false;
    uint32_t stored = (uint32_t)h[0] | (uint32_t)h[1] << 8 | (uint32_t)h[2] << 16 | (uint32_t)h[3] << 24;
    return f->type != FRAGMENT_ZERO && crc32c_mask(crc32c(h + 6, f->len + 1)) == stored;
}

/* Moves over the rest of a block that is too short for a header. */
static void log_skip_trailer(rocks_log *g)
{
    size_t end = block_end(g->at);
    if (end - g->at < HEADER_BYTES) g->at = end;
}

/* True: the machine died while the fragment at `at` was written, so the file ends within it, or sectors of it were
 * never written and read as zeros. A fragment that is all there with the wrong checksum was written, and has changed
 * since. */
static bool fragment_was_never_written(const rocks_log *g, size_t at)
{
    assert(at + HEADER_BYTES <= g->len);
    size_t end = at + HEADER_BYTES + ((size_t)g->data[at + 4] | (size_t)g->data[at + 5] << 8);
    if (end > g->len && end <= block_end(at)) return true;
    if (end > block_end(at)) end = block_end(at);
    for (size_t from = at; from < end && from < g->len; from = from / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES) {
        size_t to = from / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
        if (bytes_are_zero(g, from, to < end ? to : end)) return true;
    }
    return false;
}

/* Finds a whole fragment that begins a record, at `from` or behind it. Records are written one after the other, each
 * synced before the next: so the record before the one found was on disk once. */
static bool fragment_find_start(const rocks_log *g, size_t from, size_t *found)
{
    fragment f;
    for (size_t at = from; at + HEADER_BYTES <= g->len; at++) {
        if (block_end(at) - at < HEADER_BYTES) at = block_end(at);
        if (at + HEADER_BYTES > g->len) return false;
        uint8_t type = g->data[at + 6];
        if (type != FRAGMENT_FULL && type != FRAGMENT_FIRST) continue;
        if (!fragment_read(g, at, &f)) continue;
        *found = at;
        return true;
    }
    return false;
}

/* A record that begins at `began` is not whole, since its fragment at `at` is not: damaged, or incomplete. */
static rocks_log_result log_break(rocks_log *g, size_t began, size_t at, size_t *broken_at)
{
    size_t ignored;
    assert(began <= at);
    *broken_at = began;
    g->at = at;
    if (at < g->len && fragment_find_start(g, at + 1, &ignored)) return ROCKS_LOG_DAMAGED;
    if (at + HEADER_BYTES > g->len || fragment_was_never_written(g, at)) return ROCKS_LOG_INCOMPLETE;
    return ROCKS_LOG_DAMAGED;
}

static bool record_append(rocks_log *g, size_t len, const fragment *f)
{
    assert(f->at + HEADER_BYTES + f->len <= g->len);
    if (len + f->len > g->room) {
        size_t room = (len + f->len) * 2;
        uint8_t *bigger = realloc(g->record, room);
        if (!bigger) return false;
        g->record = bigger;
        g->room = room;
    }
    memcpy(g->record + len, g->data + f->at + HEADER_BYTES, f->len);
    return true;
}

/* True: the fragment may come now that a record is `open`, or none is. Types above FRAGMENT_LAST are no part of
 * records. */
static bool fragment_fits(const fragment *f, bool open)
{
    return f->type > FRAGMENT_LAST || open == (f->type == FRAGMENT_MIDDLE || f->type == FRAGMENT_LAST);
}

rocks_log_result rocks_log_next(rocks_log *g, const uint8_t **record, size_t *len, size_t *broken_at)
{
    size_t began = g->at;
    bool open = false;
    fragment f;
    *len = 0;
    for (;;) {
        log_skip_trailer(g);
        if (!open) began = g->at;
        if (!open && bytes_are_zero(g, g->at, g->len)) return ROCKS_LOG_END;
        if (!fragment_read(g, g->at, &f) || !fragment_fits(&f, open)) return log_break(g, began, g->at, broken_at);
        g->at = f.at + HEADER_BYTES + f.len;
        assert(g->at <= g->len);
        if (f.type > FRAGMENT_LAST) continue;
        *record = g->data + f.at + HEADER_BYTES;
        if (f.type != FRAGMENT_FULL && !record_append(g, *len, &f)) return ROCKS_LOG_DAMAGED;
        *len += f.len;
        if (f.type != FRAGMENT_FULL) *record = g->record;
        if (f.type == FRAGMENT_FULL || f.type == FRAGMENT_LAST) return ROCKS_LOG_RECORD;
        open = true;
    }
}

bool rocks_log_resume(rocks_log *g) { return g->at < g->len && fragment_find_start(g, g->at + 1, &g->at); }
