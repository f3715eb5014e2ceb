#include "storage/rocks/rocks_trimmer.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storage/steady.h"

enum {
    PIECE_BYTES = 2 << 20,
    PAUSE_MS = 8,    /* between two pieces: commits are synced then; 250 MB/s, more than any journal writes */
    DELAY_MS = 1000, /* from a deletion to the first cut, and until a file that may not be cut is looked at again */
    ROOM_MIB = 1024, /* a disk with less room gets all of a deleted file back at once */
    FILES_MAX = 512,
    FILES_SHARE = 32 /* at most this part of the descriptors that the process may have */
};

/* A file that is held open. Of the files in the folder RocksDB gives a number to one only: log, table or blob file. Of
 * deleted ones several may have the same: an opening that failed is tried again with the same numbers. */
typedef struct held {
    uint64_t number;
    int64_t due_ms; /* when to cut it, if nobody has it open; 0: it has a name */
    int fd;
    bool seen; /* in the folder, by the reading of it that is under way */
} held;

struct rocks_trimmer {
    pthread_t thread;
    int folder, notices, stop; /* the folder; inotify's; an eventfd */
    size_t count, count_max;
    held files[FILES_MAX];
};

/* ---- The files that are held ---- */

/* The number in 000012.log, .sst or .blob; 0: another file. The file LOCK must never be opened here: to close it would
 * end the lock that the process has on it. */
static uint64_t number_of(const char *name)
{
    char *end;
    uint64_t number = strtoull(name, &end, 10);
    bool deletes = strcmp(end, ".log") == 0 || strcmp(end, ".sst") == 0 || strcmp(end, ".blob") == 0;
    return end != name && deletes ? number : 0;
}

/* The file that the folder names so. */
static held *held_find(rocks_trimmer *t, uint64_t number)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->files[i].number == number && t->files[i].due_ms == 0) return &t->files[i];
    return NULL;
}

static void held_drop(rocks_trimmer *t, held *h)
{
    assert(h >= t->files && h < t->files + t->count);
    (void)close(h->fd);
    *h = t->files[--t->count];
}

/* The oldest file gives way to a newer one: RocksDB deletes logs and new tables often, the oldest tables seldom. False:
 * the file `number` is older than all. */
static bool held_make_room(rocks_trimmer *t, uint64_t number)
{
    held *oldest = NULL;
    if (t->count < t->count_max) return true;
    for (size_t i = 0; i < t->count; i++)
        if (t->files[i].due_ms == 0 && (!oldest || t->files[i].number < oldest->number)) oldest = &t->files[i];
    if (!oldest || oldest->number > number) return false;
    held_drop(t, oldest);
    return true;
}

/* A file is held from its creation on. RocksDB has its own descriptor, and never notices this one. */
static void hold(rocks_trimmer *t, const char *name, uint64_t number)
{
    held *h = held_find(t, number);
    if (h) {
        h->seen = true;
        return;
    }
    if (!held_make_room(t, number)) return;
    int fd = openat(t->folder, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return; /* deleted just now; or the disk takes no writes, then nothing is cut */
    t->files[t->count++] = (held){.number = number, .fd = fd, .seen = true};
    assert(t->count <= t->count_max);
}

/* No folder names this file any more, neither the database's nor a backup's. */
static bool held_is_gone(held *h)
{
    struct stat st;
    if (h->due_ms > 0) return true;
    if (fstat(h->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink > 0) return false;
    h->due_ms = steady_ms() + DELAY_MS;
    return true;
}

static void look_at_folder(rocks_trimmer *t)
{
    int fd = openat(t->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) (void)close(fd);
        return;
    }
    for (size_t i = 0; i < t->count; i++) {
        t->files[i].seen = false;
        (void)held_is_gone(&t->files[i]); /* before its name is found: another file may have it by now */
    }
    for (const struct dirent *e; (e = readdir(d));) {
        uint64_t number = number_of(e->d_name);
        if (number > 0) hold(t, e->d_name, number);
    }
    (void)closedir(d);
    for (size_t i = 0; i < t->count;) {
        held *h = &t->files[i];
        if (h->seen || held_is_gone(h))
            i++;
        else
            held_drop(t, h);
    }
}

/* ---- Cutting ---- */

/* False: somebody is deleting the whole journal, perhaps by mistake. What the process has open is then the last copy,
 * and whoever wants it back finds it below /proc/PID/fd: it is not cut. */
static bool journal_is_there(const rocks_trimmer *t) { return faccessat(t->folder, "CURRENT", F_OK, 0) == 0; }

/* True: somebody else has the file open, and may read it: RocksDB, if it was not RocksDB that deleted the file, or
 * another process. The kernel gives a lease for writing only to one who has the file alone. Where it gives none at all,
 * nobody can tell, and *unknown is set. */
static bool held_is_read(const held *h, bool *unknown)
{
    /* Should somebody open the file just now, by /proc/PID/fd, the process gets this signal, and ignores it. */
    *unknown = fcntl(h->fd, F_SETSIG, SIGURG) != 0;
    if (*unknown) return false;
    if (fcntl(h->fd, F_SETLEASE, F_WRLCK) == 0) {
        (void)fcntl(h->fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    *unknown = errno != EAGAIN;
    return !*unknown;
}

/* Cuts one piece off. False: the rest is less than a piece, or cannot be cut: closing the file frees it. */
static bool cut_piece(const held *h)
{
    struct stat st;
    if (fstat(h->fd, &st) != 0 || st.st_nlink > 0 || st.st_size <= PIECE_BYTES) return false;
    return ftruncate(h->fd, st.st_size - PIECE_BYTES) == 0;
}

static bool disk_has_room(const rocks_trimmer *t)
{
    struct statvfs v;
    return fstatvfs(t->folder, &v) != 0 || (uint64_t)v.f_bavail * v.f_frsize >> 20 >= ROOM_MIB;
}

/* Returns for how long there is nothing to do for this file, in ms; 0: it is freed. */
static int held_cut(rocks_trimmer *t, held *h)
{
    int64_t now_ms = steady_ms();
    bool unknown = false;
    if (disk_has_room(t)) {
        if (h->due_ms > now_ms) return (int)(h->due_ms - now_ms);
        if (!journal_is_there(t) || held_is_read(h, &unknown)) {
            h->due_ms = now_ms + DELAY_MS;
            return DELAY_MS;
        }
        if (!unknown && cut_piece(h)) return PAUSE_MS;
    }
    held_drop(t, h);
    return 0;
}

/* Cuts a piece off one of the deleted files, if the delay of one is over. Returns for how long there is nothing to do,
 * in ms; -1: until the folder changes. */
static int cut(rocks_trimmer *t)
{
    int least = -1;
    for (size_t i = 0; i < t->count && least != PAUSE_MS; i++) {
        if (t->files[i].due_ms == 0) continue;
        int wait = held_cut(t, &t->files[i]);
        if (wait == 0) return PAUSE_MS;
        if (least < 0 || wait < least) least = wait;
    }
    return least;
}

static void *trimmer_run(void *arg)
{
    rocks_trimmer *t = arg;
    struct pollfd on[] = {{.fd = t->stop, .events = POLLIN}, {.fd = t->notices, .events = POLLIN}};
    _Alignas(struct inotify_event) char ignored[4096]; /* that there are notices is enough */
    (void)pthread_setname_np(pthread_self(), "sw-trimmer");
    look_at_folder(t);
    while (!(on[0].revents & POLLIN)) {
        if (poll(on, 2, cut(t)) < 0) continue;
        if (!(on[1].revents & POLLIN)) continue;
        while (read(t->notices, ignored, sizeof ignored) > 0) continue;
        look_at_folder(t);
    }
    return NULL;
}

/* ---- Starting and stopping ---- */

static void trimmer_free(rocks_trimmer *t)
{
    while (t->count > 0) held_drop(t, &t->files[t->count - 1]);
    if (t->folder >= 0) (void)close(t->folder);
    if (t->notices >= 0) (void)close(t->notices);
    if (t->stop >= 0) (void)close(t->stop);
    free(t);
}

static size_t files_max(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
    return files.rlim_cur / FILES_SHARE < FILES_MAX ? (size_t)files.rlim_cur / FILES_SHARE : FILES_MAX;
}

/* Whether the folder's file system counts a file's names itself. One that is made of others, or another machine's, may
 * be told a wrong number; and overlayfs copies a file of a lower layer as a whole when it is opened for writing. */
static bool folder_counts_names(int folder)
{
    struct statfs s;
    if (fstatfs(folder, &s) != 0) return false;
    switch ((unsigned long)s.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
        return true;
    default:
        return false;
    }
}

rocks_trimmer *rocks_trimmer_start(const char *journal)
{
    rocks_trimmer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->count_max = files_max();
    t->folder = open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->notices = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    t->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (t->folder < 0 || t->notices < 0 || t->stop < 0 || !folder_counts_names(t->folder) ||
        inotify_add_watch(t->notices, journal, IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) < 0 ||
        pthread_create(&t->thread, NULL, trimmer_run, t) != 0) {
        trimmer_free(t);
        return NULL;
    }
    return t;
}

void rocks_trimmer_stop(rocks_trimmer *t)
{
    uint64_t one = 1;
    if (!t) return;
    ssize_t n = write(t->stop, &one, sizeof one);
    int rc = pthread_join(t->thread, NULL);
    assert(n == (ssize_t)sizeof one && rc == 0);
    (void)n, (void)rc;
    trimmer_free(t);
}
