#include "storage/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROBE_BYTES = 256 * 1024, SMALL_FILE_MAX = 64, ADDED_BYTES = 64 * 1024, OPEN_FOLDERS = 16 };

_Static_assert(PROBE_BYTES > SMALL_FILE_MAX, "a disk that takes the probe takes the small files");

/* Fills in the message, and returns false. */
static bool folder_fail(char *error, size_t error_size, const char *path, const char *what, const char *why)
{
    (void)snprintf(error, error_size, "data folder %s: %s%s%s", path, what, *why ? ": " : "", why);
    return false;
}

static void name_in(char out[FOLDER_PATH_MAX], const char *path, const char *name)
{
    (void)snprintf(out, FOLDER_PATH_MAX, "%s/%s", path, name);
}

ssize_t folder_read(const char *path, const char *name, char *to, size_t size)
{
    char file[FOLDER_PATH_MAX];
    name_in(file, path, name);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, to, size);
    int reason = errno;
    close(fd);
    errno = reason;
    return n;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

bool folder_sync_parent(const char *path)
{
    char parent[FOLDER_PATH_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)len, path);
    char *slash = strrchr(parent, '/');
    if (!slash) return sync_folder(".");
    slash[slash == parent] = 0;
    return sync_folder(parent);
}

bool folder_write(const char *path, const char *name, const char *data, size_t len)
{
    char file[FOLDER_PATH_MAX], next[FOLDER_PATH_MAX];
    assert(*name && !strchr(name, '/'));
    name_in(file, path, name);
    if (snprintf(next, sizeof next, "%s.new", file) >= (int)sizeof next) return false;
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool ok = write_all(fd, data, len) && fsync(fd) == 0;
    int reason = errno;
    close(fd);
    if (!ok) (void)unlink(next);
    errno = reason;
    return ok && rename(next, file) == 0 && sync_folder(path);
}

static bool folder_make(const char *path, char *error, size_t error_size)
{
    struct stat st;
    if (strlen(path) > FOLDER_PATH_MAX - SMALL_FILE_MAX)
        return folder_fail(error, error_size, path, "the name is too long", "");
    if (mkdir(path, 0700) == 0)
        return folder_sync_parent(path) ||
               folder_fail(error, error_size, path, "its parent folder cannot be synced", strerror(errno));
    if (errno == ENOENT)
        return folder_fail(error, error_size, path,
                           "its parent folder does not exist; make it, or choose another with --data", "");
    if (errno != EEXIST) return folder_fail(error, error_size, path, "cannot be made", strerror(errno));
    if (stat(path, &st) != 0) return folder_fail(error, error_size, path, "cannot be read", strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return folder_fail(error, error_size, path, "is not a folder; choose another with --data", "");
    return true;
}

static bool write_format(const char *path, char *error, size_t error_size)
{
    char text[SMALL_FILE_MAX];
    int len = snprintf(text, sizeof text, "%d\n", FOLDER_FORMAT);
    if (folder_write(path, "FORMAT", text, (size_t)len)) return true;
    return folder_fail(error, error_size, path, "cannot be written; check its owner and the disk", strerror(errno));
}

bool folder_check(const char *path, char *error, size_t error_size)
{
    char text[SMALL_FILE_MAX + 1] = "";
    ssize_t n = folder_read(path, "FORMAT", text, SMALL_FILE_MAX);
    if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
        return folder_fail(error, error_size, path, "is no data folder: it has no file FORMAT", "");
    if (n < 0) return folder_fail(error, error_size, path, "its file FORMAT cannot be read", strerror(errno));
    char *end;
    long format = strtol(text, &end, 10);
    if (end == text || *end != '\n' || format < 1)
        return folder_fail(error, error_size, path, "its file FORMAT is damaged", "");
    if (format > FOLDER_FORMAT) {
        (void)snprintf(
            error, error_size,
            "data folder %s: it has format %ld, this program knows formats up to %d: run the newer program, or "
            "choose another folder with --data",
            path, format, FOLDER_FORMAT);
        return false;
    }
    return true;
}

bool folder_prepare(const char *path, char *error, size_t error_size)
{
    char file[FOLDER_PATH_MAX];
    if (!folder_make(path, error, error_size)) return false;
    name_in(file, path, "FORMAT");
    bool is_new = access(file, F_OK) != 0 && errno == ENOENT;
    return is_new ? write_format(path, error, error_size) : folder_check(path, error, error_size);
}

bool folder_secret(const char *path, uint8_t secret[FOLDER_SECRET_BYTES], char *error, size_t error_size)
{
    ssize_t n = folder_read(path, "secret", (char *)secret, FOLDER_SECRET_BYTES);
    if (n == FOLDER_SECRET_BYTES) return true;
    if (n >= 0)
        return folder_fail(error, error_size, path,
                           "its file secret is damaged; delete it to make a new one (URLs given out become invalid)",
                           "");
    if (errno != ENOENT) return folder_fail(error, error_size, path, "its file secret cannot be read", strerror(errno));
    if (getrandom(secret, FOLDER_SECRET_BYTES, 0) != FOLDER_SECRET_BYTES)
        return folder_fail(error, error_size, path, "no random bytes for its secret", strerror(errno));
    return folder_write(path, "secret", (const char *)secret, FOLDER_SECRET_BYTES) ||
           folder_fail(error, error_size, path, "its secret cannot be written", strerror(errno));
}

void folder_mark_used(const char *path)
{
    char text[SMALL_FILE_MAX];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    assert(len > 0 && len < (int)sizeof text);
    char file[FOLDER_PATH_MAX];
    if (folder_write(path, "pid", text, (size_t)len)) return; /* no more than a hint: RocksDB's lock decides */
    name_in(file, path, "pid");
    int fd = open(file, O_WRONLY | O_CLOEXEC); /* else a person would kill a process that has the id of a dead one */
    if (fd < 0) return;
    if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) != 0) (void)unlink(file);
    close(fd);
}

long folder_user(const char *path)
{
    char text[SMALL_FILE_MAX + 1] = "";
    if (folder_read(path, "pid", text, SMALL_FILE_MAX) <= 0) return 0;
    return strtol(text, NULL, 10);
}

/* The first line of the file `end`. */
static const char *const ends[] = {[FOLDER_ENDED] = "ended\n", [FOLDER_IN_USE] = "in use\n"};

/* Reads the whole file. Returns its text, malloc'd and zero-terminated; NULL: there is none, or memory is out. */
static char *read_whole(const char *path, const char *name)
{
    char file[FOLDER_PATH_MAX], *text = NULL;
    struct stat st;
    name_in(file, path, name);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    size_t len = 0, size = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
    ssize_t n = 0;
    text = malloc(size + 1);
    while (text && len < size && (n = read(fd, text + len, size - len)) > 0) len += (size_t)n;
    close(fd);
    assert(len <= size);
    if (text) text[len] = 0;
    return text;
}

folder_end folder_read_end(const char *path, char **left)
{
    char *text = read_whole(path, "end");
    folder_end end = FOLDER_ENDED;
    size_t skip = text ? strlen(text) : 0;
    for (size_t i = 0; text && i < sizeof ends / sizeof *ends; i++) {
        if (strncmp(text, ends[i], strlen(ends[i])) != 0) continue;
        end = (folder_end)i;
        skip = strlen(ends[i]);
    }
    *left = strdup(text ? text + skip : "");
    free(text);
    return end;
}

bool folder_mark_end(const char *path, folder_end end, const char *left, size_t len)
{
    assert(end == FOLDER_ENDED || end == FOLDER_IN_USE);
    const char *line = ends[end];
    char *text = malloc(strlen(line) + len);
    if (!text) return false;
    memcpy(text, line, strlen(line));
    if (len > 0) memcpy(text + strlen(line), left, len);
    bool written = folder_write(path, "end", text, strlen(line) + len);
    free(text);
    return written;
}

int folder_open_end(const char *path)
{
    char file[FOLDER_PATH_MAX];
    name_in(file, path, "end");
    int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, ADDED_BYTES); /* so that it grows on a full disk too */
    return fd;
}

bool folder_copy(const char *from, const char *to)
{
    static const char *const names[] = {"FORMAT", "secret"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char data[SMALL_FILE_MAX];
        ssize_t n = folder_read(from, names[i], data, sizeof data);
        if (n < 0 || !folder_write(to, names[i], data, (size_t)n)) return false;
    }
    return true;
}

static int remove_on_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

bool folder_remove(const char *path) { return nftw(path, remove_on_path, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0; }

bool folder_lacks_space(int reason) { return reason == ENOSPC || reason == EDQUOT || reason == EROFS; }

/* A file system that cannot set blocks aside is believed to have room. */
static bool file_has_room(int fd, uint64_t bytes)
{
    if (bytes <= PROBE_BYTES || fallocate(fd, 0, 0, (off_t)bytes) == 0) return true;
    return errno == EOPNOTSUPP || errno == ENOSYS;
}

bool folder_writable(const char *path, uint64_t bytes)
{
    char file[FOLDER_PATH_MAX];
    name_in(file, path, "probe");
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    char *zeros = calloc(1, PROBE_BYTES);
    bool ok = zeros && write_all(fd, zeros, PROBE_BYTES) && fsync(fd) == 0 && file_has_room(fd, bytes);
    int reason = errno;
    free(zeros);
    close(fd);
    (void)unlink(file);
    errno = reason;
    return ok;
}
