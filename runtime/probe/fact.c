#include "runtime/probe/fact.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FACT_TEXTS = 4 };

static pthread_mutex_t fact_lock = PTHREAD_MUTEX_INITIALIZER;
static int pipe_fd = -1;    /* borrowed; -1: fact_open has not been called */
static uint64_t bytes_left; /* of fact_open's bytes_max; under fact_lock */

/* Writes all parts. Ends the process when the write fails: the process that proves has gone. */
static void fact_write_parts(struct iovec *parts, int count)
{
    assert(count > 0);
    assert(count <= 1 + FACT_TEXTS);
    while (count > 0) {
        ssize_t n = writev(pipe_fd, parts, count);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) _exit(1);
        for (; count > 0 && (size_t)n >= parts->iov_len; parts++, count--) n -= (ssize_t)parts->iov_len;
        if (count == 0) break;
        parts->iov_base = (char *)parts->iov_base + n;
        parts->iov_len -= (size_t)n;
    }
}

static void fact_write(const fact *f)
{
    const entry_text *texts[FACT_TEXTS] = {&f->id, &f->label, &f->text, &f->data};
    struct iovec parts[1 + FACT_TEXTS] = {{.iov_base = (void *)(uintptr_t)f, .iov_len = sizeof *f}};
    int count = 1;
    for (int i = 0; i < FACT_TEXTS; i++)
        if (texts[i]->len > 0)
            parts[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)texts[i]->data, .iov_len = texts[i]->len};
    fact_write_parts(parts, count);
}

void fact_open(int fd, uint64_t bytes_max)
{
    assert(pipe_fd == -1);
    assert(fd >= 0);
    assert(bytes_max > sizeof(fact));
    pipe_fd = fd;
    bytes_left = bytes_max;
}

void fact_tell(const fact *f)
{
    static const char too_much[] = "an execution reports more than --prove-memory";
    uint64_t size = sizeof *f + f->id.len + f->label.len + f->text.len + f->data.len;
    assert(f->kind >= FACT_SEGMENT);
    assert(f->kind <= FACT_BROKEN); /* the others are the parent's */
    (void)pthread_mutex_lock(&fact_lock);
    assert(pipe_fd >= 0);
    if (size > bytes_left) {
        fact_write(&(fact){.kind = FACT_BROKEN, .text = {too_much, sizeof too_much - 1}});
        _exit(1);
    }
    bytes_left -= size;
    fact_write(f);
    (void)pthread_mutex_unlock(&fact_lock);
}

void fact_exit(int code)
{
    (void)fflush(NULL);
    (void)pthread_mutex_lock(&fact_lock);
    _exit(code);
}

_Static_assert(FACT_DONE == FACT_BROKEN + 1, "a child tells the kinds up to FACT_BROKEN");

size_t fact_read(const char *bytes, size_t len, fact *out)
{
    if (len < sizeof *out) return 0;
    memcpy(out, bytes, sizeof *out);
    entry_text *texts[FACT_TEXTS] = {&out->id, &out->label, &out->text, &out->data};
    size_t at = sizeof *out;
    for (int i = 0; i < FACT_TEXTS; i++) {
        if (texts[i]->len > len - at) return 0;
        texts[i]->data = bytes + at;
        at += texts[i]->len;
    }
    assert(at <= len);
    return at;
}
