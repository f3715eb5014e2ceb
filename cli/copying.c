#include "cli/copying.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/folder.h"

enum { PIECE_BYTES = 8 << 20, OPEN_FOLDERS = 16 };

static int remove_on_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

void copying_remove(const char *path) { (void)nftw(path, remove_on_path, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS); }

bool copying_may_make(const char *to)
{
    struct stat st;
    if (lstat(to, &st) != 0 && errno == ENOENT) return true;
    if (rmdir(to) == 0) return true;
    (void)cli_fail(CLI_REFUSED, "%s is there already: move it away first, and do not mix files of two folders", to);
    return false;
}

static void show_progress(unsigned long long bytes)
{
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r%llu MiB copied \033[K", bytes >> 20);
}

/* Copies what is left of the file; false: errno tells why. */
static bool copy_bytes(int in, int out, unsigned long long *bytes)
{
    static char piece[PIECE_BYTES];
    ssize_t n;
    while ((n = read(in, piece, sizeof piece)) > 0) {
        for (ssize_t at = 0, wrote; at < n; at += wrote)
            if ((wrote = write(out, piece + at, (size_t)(n - at))) <= 0) return false;
        *bytes += (unsigned long long)n;
        show_progress(*bytes);
    }
    return n == 0 && fsync(out) == 0;
}

static bool copy_file(int from, int to, const char *name, unsigned long long *bytes)
{
    int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), out = -1;
    if (in >= 0) out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = in >= 0 && out >= 0 && copy_bytes(in, out, bytes);
    int reason = errno;
    if (in >= 0) close(in);
    if (out >= 0 && close(out) != 0 && ok) ok = false;
    errno = reason;
    return ok;
}

/* Copies all files of `from/journal`; it has no folders. */
static bool copy_journal(const char *from, const char *to, unsigned long long *bytes)
{
    char path[FOLDER_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/journal", from);
    DIR *dir = opendir(path);
    (void)snprintf(path, sizeof path, "%s/journal", to);
    int out = dir && mkdir(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool ok = out >= 0;
    for (struct dirent *e; ok && (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "LOCK") != 0)
            ok = copy_file(dirfd(dir), out, e->d_name, bytes);
    ok = ok && fsync(out) == 0;
    int reason = errno;
    if (dir) closedir(dir);
    if (out >= 0) close(out);
    errno = reason;
    return ok;
}

cli_end copying_make(const char *from, const char *to, unsigned long long *bytes)
{
    *bytes = 0;
    bool ok = mkdir(to, 0700) == 0;
    if (!ok) return cli_fail(CLI_REFUSED, "%s cannot be made: %s", to, strerror(errno));
    ok = folder_copy(from, to) && copy_journal(from, to, bytes) && folder_sync_parent(to);
    int reason = errno;
    if (isatty(STDERR_FILENO)) fputs("\r\033[K", stderr);
    if (ok) return CLI_DONE;
    copying_remove(to);
    return cli_fail(CLI_REFUSED, "%s cannot be copied to %s: %s", from, to, strerror(reason));
}
