#include "runtime/supervise/command.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Texts, each with its zero, one after the other: the form of /proc/self/cmdline. */
typedef struct texts {
    char *data;
    size_t len, room;
} texts;

static bool texts_make_room(texts *t, size_t len)
{
    assert(t->len <= t->room);
    if (t->room - t->len >= len) return true;
    size_t room = (t->len + len) * 2;
    char *bigger = realloc(t->data, room);
    if (!bigger) return false;
    t->data = bigger;
    t->room = room;
    return true;
}

/* Reads the process's own arguments. False: they cannot be read, or there is no memory. */
static bool texts_read_own(texts *t)
{
    enum { PIECE = 4096 };
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        n = texts_make_room(t, PIECE) ? read(fd, t->data + t->len, PIECE) : -1;
        if (n > 0) t->len += (size_t)n;
    }
    if (fd >= 0) close(fd);
    return n == 0 && t->len > 0 && t->data[t->len - 1] == 0;
}

/* False: out of memory. */
static bool texts_copy(texts *t, char **argv)
{
    t->len = 0;
    for (; *argv; argv++) {
        size_t len = strlen(*argv) + 1;
        if (!texts_make_room(t, len)) return false;
        memcpy(t->data + t->len, *argv, len);
        t->len += len;
    }
    return true;
}

/* A NULL-terminated array of the texts, with the texts behind it in the same piece. NULL: out of memory. */
static char **texts_split(const texts *t)
{
    size_t count = 0;
    assert(t->len == 0 || t->data[t->len - 1] == 0);
    for (size_t i = 0; i < t->len; i++) count += t->data[i] == 0;
    char **argv = malloc((count + 1) * sizeof *argv + t->len);
    if (!argv) return NULL;
    char *at = (char *)(argv + count + 1);
    if (t->len > 0) memcpy(at, t->data, t->len);
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) argv[i] = at;
    assert(at == (char *)(argv + count + 1) + t->len);
    argv[count] = NULL;
    return argv;
}

char **command_read(char **argv)
{
    texts t = {.data = NULL};
    char **own = texts_read_own(&t) || texts_copy(&t, argv) ? texts_split(&t) : NULL;
    free(t.data);
    return own;
}
