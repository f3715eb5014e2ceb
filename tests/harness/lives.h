/* lives: processes that live one after the other on one disk of memory: each is a fork of the test, and what it leaves
 * is that disk, and the test's own area. The disk only grows. Included by one file of a program. */
#ifndef TESTS_HARNESS_LIVES_H
#define TESTS_HARNESS_LIVES_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/harness/turned.h"

enum { LIVES_SPACE_BYTES = 64 * 1024 * 1024, LIVES_OWN_BYTES = 64 * 1024 };

typedef struct lives_area {
    size_t used; /* of `space` */
    _Alignas(16) char own[LIVES_OWN_BYTES];
    _Alignas(16) char space[LIVES_SPACE_BYTES];
} lives_area;
static lives_area *lives;

static inline void *lives_resize(void *arg, void *block, size_t bytes)
{
    const size_t head = 16;
    (void)arg;
    if (bytes == 0) return NULL;
    size_t old = block ? *(size_t *)(void *)((char *)block - head) : 0;
    if (old >= bytes) return block;
    size_t at = lives->used;
    lives->used += head + ((bytes + 15) & ~(size_t)15);
    CHECK(lives->used <= sizeof lives->space);
    char *fresh = lives->space + at + head;
    *(size_t *)(void *)(fresh - head) = bytes;
    if (block) memcpy(fresh, block, old);
    return fresh;
}

/* A new disk. Returns the test's area, all zeros, which all lives share. */
static inline void *lives_begin(void)
{
    static const memory_space space = {.resize = lives_resize};
    if (!lives)
        lives = mmap(NULL, sizeof *lives, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(lives != MAP_FAILED);
    lives->used = 0;
    memset(lives->own, 0, sizeof lives->own);
    turned_disk = memory_disk_new_in(&space);
    CHECK(turned_disk);
    return lives->own;
}

static inline void lives_end(void) { turned_disk = NULL; }

/* One life, which ends as it returns, without a word to anybody. Returns what it does. */
static inline int lives_live(int (*live)(uint64_t arg), uint64_t arg)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int end = live(arg);
        fflush(stdout);
        _exit(end);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    memory_abandon(turned_disk);
    return WEXITSTATUS(status);
}

#endif
