#include "storage/rocks/rocks_backup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/folder.h"

enum { OPEN_FOLDERS = 16 };

static store_backup_result backup_fail(char *error, size_t error_size, const char *what, const char *path)
{
    int reason = errno;
    (void)snprintf(error, error_size, "%s %s: %s", path, what, strerror(reason));
    return reason == ENOSPC || reason == EDQUOT ? STORE_BACKUP_NO_SPACE : STORE_BACKUP_FAILED;
}

static bool path_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0;
    int reason = errno;
    close(fd);
    errno = reason;
    return ok;
}

/* Bytes of the files that nftw has met on this thread: its callback has no argument of the caller's. */
static __thread uint64_t walk_bytes;

static int count_on_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)path, (void)at;
    if (type == FTW_F) walk_bytes += (uint64_t)st->st_size;
    return 0;
}

/* Makes the folder `to` with all that a backup holds, synced. */
static store_backup_result backup_fill(rocks *r, const char *to, char *error, size_t error_size)
{
    char journal[FOLDER_PATH_MAX + 16];
    (void)snprintf(journal, sizeof journal, "%s/journal", to);
    if (mkdir(to, 0700) != 0) return backup_fail(error, error_size, "cannot be made", to);
    if (!folder_copy(r->path, to)) return backup_fail(error, error_size, "cannot be written", to);
    errno = 0;
    if (!rocks_checkpoint(r, journal, error, error_size))
        return strstr(error, "No space left") ? STORE_BACKUP_NO_SPACE : STORE_BACKUP_FAILED;
    return path_sync(to) ? STORE_BACKUP_DONE : backup_fail(error, error_size, "cannot be synced", to);
}

store_backup_result backup_make(rocks *r, const char *to, uint64_t *bytes, char *error, size_t error_size)
{
    char partial[FOLDER_PATH_MAX];
    struct stat st;
    assert(*to);
    const char *slash = strrchr(to, '/'), *name = slash ? slash + 1 : to;
    int len = snprintf(partial, sizeof partial, "%.*s.%s.partial", (int)(name - to), to, name);
    if (len >= (int)sizeof partial - 64) {
        (void)snprintf(error, error_size, "the name is too long");
        return STORE_BACKUP_FAILED;
    }
    if (lstat(to, &st) == 0) {
        (void)snprintf(error, error_size, "%s is there already", to);
        return STORE_BACKUP_EXISTS;
    }
    if (lstat(partial, &st) == 0 && !folder_remove(partial)) /* it is of a process that died */
        return backup_fail(error, error_size, "cannot be removed", partial);
    store_backup_result result = backup_fill(r, partial, error, error_size);
    if (result == STORE_BACKUP_DONE && rename(partial, to) != 0)
        result = backup_fail(error, error_size, "cannot be renamed", partial);
    if (result != STORE_BACKUP_DONE) {
        (void)folder_remove(partial);
        return result;
    }
    if (!folder_sync_parent(to)) return backup_fail(error, error_size, "may not be on disk", to);
    walk_bytes = 0;
    (void)nftw(to, count_on_path, OPEN_FOLDERS, FTW_PHYS);
    *bytes = walk_bytes;
    return STORE_BACKUP_DONE;
}
