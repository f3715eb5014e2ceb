#include "storage/rocks/rocks_synced.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/folder.h"

enum { TEXT_BYTES = ROCKS_SYNCED_FILES * 64 + 64 };
static const char CLOCK_NAME[] = "clock", LAST_LINE[] = "end\n";
_Static_assert(ROCKS_SYNCED_NAME + sizeof " 18446744073709551615\n" <= 64, "a line of TEXT_BYTES");
_Static_assert(sizeof CLOCK_NAME < ROCKS_SYNCED_NAME, "read as the name of a file");

static bool is_measured(const char *name)
{
    size_t len = strlen(name);
    if (len >= ROCKS_SYNCED_NAME) return false;
    return strncmp(name, "MANIFEST-", 9) == 0 || (len > 4 && strcmp(name + len - 4, ".log") == 0);
}

bool rocks_synced_measure(rocks_synced *n, const char *path)
{
    char folder[FOLDER_PATH_MAX + 16];
    (void)snprintf(folder, sizeof folder, "%s/journal", path);
    DIR *d = opendir(folder);
    n->count = n->left_out = 0;
    if (!d) return false;
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!is_measured(e->d_name) || fstatat(dirfd(d), e->d_name, &st, 0) != 0) continue;
        if (n->count == ROCKS_SYNCED_FILES) {
            n->left_out++;
            continue;
        }
        memcpy(n->files[n->count].name, e->d_name, strlen(e->d_name) + 1); /* is_measured has checked its length */
        n->files[n->count++].bytes = (uint64_t)st.st_size;
    }
    (void)closedir(d);
    return true;
}

int64_t rocks_synced_bytes(const rocks_synced *n, const char *name)
{
    for (unsigned i = 0; i < n->count; i++)
        if (strcmp(n->files[i].name, name) == 0) return (int64_t)n->files[i].bytes;
    return -1;
}

bool rocks_synced_write(const rocks_synced *n, const char *path, bool synced)
{
    char text[TEXT_BYTES], file[FOLDER_PATH_MAX + 16], next[FOLDER_PATH_MAX + 16];
    assert(n->count <= ROCKS_SYNCED_FILES);
    int len = snprintf(text, sizeof text, "%s %" PRId64 "\n", CLOCK_NAME, n->wall_ms);
    for (unsigned i = 0; i < n->count; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s %" PRIu64 "\n", n->files[i].name, n->files[i].bytes);
    len += snprintf(text + len, sizeof text - (size_t)len, "%s", LAST_LINE);
    assert(len > 0 && (size_t)len < sizeof text);
    (void)snprintf(file, sizeof file, "%s/synced", path);
    (void)snprintf(next, sizeof next, "%s/synced.new", path);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool ok = write(fd, text, (size_t)len) == len && (!synced || fsync(fd) == 0);
    close(fd);
    return ok && rename(next, file) == 0;
}

bool rocks_synced_read(rocks_synced *n, const char *path)
{
    char text[TEXT_BYTES], file[FOLDER_PATH_MAX + 16];
    n->count = n->left_out = 0;
    n->wall_ms = 0;
    (void)snprintf(file, sizeof file, "%s/synced", path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    text[len > 0 ? len : 0] = 0;
    const char *at = text;
    for (int used; n->count < ROCKS_SYNCED_FILES; at += used) {
        used = 0;
        if (sscanf(at, "%23s %" SCNu64 "\n%n", n->files[n->count].name, &n->files[n->count].bytes, &used) != 2) break;
        if (used == 0) break;
        if (strcmp(n->files[n->count].name, CLOCK_NAME) != 0)
            n->count++;
        else if (n->files[n->count].bytes <= INT64_MAX)
            n->wall_ms = (int64_t)n->files[n->count].bytes;
    }
    if (strcmp(at, LAST_LINE) == 0) return true;
    n->count = 0;
    return false;
}
