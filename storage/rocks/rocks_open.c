/* Opening the database: for writing, or for reading alone while its disk takes no writes, and for writing once the disk
 * does. RocksDB writes much when it opens for writing: a MANIFEST, options, a log, and as tables all that older logs
 * hold. So no space that is set aside could make up for a full disk. For reading it writes nothing at all. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "storage/rocks/rocks_check.h"
#include "storage/rocks/rocks_core.h"

enum { NEED_FIRST_BYTES = 512 << 10, NEED_SPARE_BYTES = 8 << 20, TEXT_BYTES = 128 };

/* ---- Why not ---- */

/* `user`: the process that has the folder, 0 if unknown. That process has had the journal since this one opened it, or
 * will have: its runs are no longer this process's. */
static bool fail_in_use(rocks *r, long user, char *error, size_t error_size)
{
    char who[48] = "another process";
    r->fenced = r->epoch > 0;
    if (user > 0) (void)snprintf(who, sizeof who, "process %ld", user);
    (void)snprintf(error, error_size,
                   "data folder %s: it is in use by %s; stop that one, or choose another with --data", r->path, who);
    return false;
}

static bool fail_damaged(const rocks *r, const char *why, char *error, size_t error_size)
{
    (void)snprintf(
        error, error_size,
        "data folder %s: the journal cannot be opened: %s; restore the folder from a copy, or choose another "
        "with --data",
        r->path, why);
    return false;
}

static bool fail_unwritable(const rocks *r, const char *why, char *error, size_t error_size)
{
    (void)snprintf(error, error_size, "data folder %s: cannot be written; check its owner and the disk: %s", r->path,
                   why);
    return false;
}

/* True: `why` says that the disk takes no writes, or the disk does. RocksDB has a text of its own for ENOSPC, for other
 * errors it takes libc's. A large file may exceed a quota in which folder_writable's probe still has room, so EDQUOT is
 * looked for in the text; a file system that is mounted for reading refuses the probe too. */
static bool disk_lacks_space(const rocks *r, const char *why)
{
    char room[128];
    if (strstr(why, "No space left on device") || strstr(why, strerror_r(EDQUOT, room, sizeof room))) return true;
    return !folder_writable(r->path, 0) && folder_lacks_space(errno);
}

/* ---- Who else has it ---- */

/* Locks the folder `journal` itself: on a file system that is mounted for reading, journal/LOCK cannot be locked for
 * writing. The lock is this process's until the journal can be written. Where a file system has no such locks, the
 * epoch tells of another process (load_epoch). A child that a handler forks shares the descriptor, so closing it would
 * not unlock: see rocks_unlock_folder. `how`: LOCK_EX; LOCK_SH of who only reads. */
static bool lock_folder(rocks *r, int how, char *error, size_t error_size)
{
    char path[FOLDER_PATH_MAX + 16];
    if (r->folder_lock >= 0) return true;
    (void)snprintf(path, sizeof path, "%s/journal", r->path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return true; /* there is none yet */
    if (flock(fd, how | LOCK_NB) == 0) {
        r->folder_lock = fd;
        return true;
    }
    int reason = errno;
    close(fd);
    return reason != EWOULDBLOCK || fail_in_use(r, 0, error, error_size); /* `pid` could not be written there */
}

void rocks_unlock_folder(rocks *r)
{
    if (r->folder_lock < 0) return;
    (void)flock(r->folder_lock, LOCK_UN);
    close(r->folder_lock);
    r->folder_lock = -1;
}

/* RocksDB locks journal/LOCK only when it opens for writing. Locks of fcntl belong to the process: RocksDB gets its own
 * beside this one, and when it closes the file both are gone. So this lock is taken anew before each opening for
 * reading, and its descriptor stays open as long as RocksDB may have a lock. */
static bool lock_journal(rocks *r, char *error, size_t error_size)
{
    char file[FOLDER_PATH_MAX + 16];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)snprintf(file, sizeof file, "%s/journal/LOCK", r->path);
    if (r->lock_file < 0) r->lock_file = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_file < 0 && errno == EROFS) return lock_folder(r, LOCK_EX, error, error_size);
    if (r->lock_file < 0) return fail_unwritable(r, strerror(errno), error, error_size);
    if (fcntl(r->lock_file, F_SETLK, &lock) == 0) {
        rocks_unlock_folder(r); /* the lock of journal/LOCK is enough */
        return true;
    }
    if (errno == EAGAIN || errno == EACCES) return fail_in_use(r, folder_user(r->path), error, error_size);
    return fail_unwritable(r, strerror(errno), error, error_size);
}

/* Whether no process has the lock of journal/LOCK, which a backup does not have at all. */
static bool journal_is_free(rocks *r, char *error, size_t error_size)
{
    char file[FOLDER_PATH_MAX + 16];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)snprintf(file, sizeof file, "%s/journal/LOCK", r->path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return true;
    bool is_free = fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK;
    close(fd);
    return is_free || fail_in_use(r, lock.l_pid, error, error_size);
}

bool rocks_lock_to_read(rocks *r, char *error, size_t error_size)
{
    return lock_folder(r, LOCK_SH, error, error_size) && journal_is_free(r, error, error_size);
}

/* ---- The node's name, and the epoch ---- */

bool rocks_put_meta(rocks *r, const char *name, store_bytes value, char *error, size_t error_size)
{
    char *why = NULL;
    assert(r->db);
    rocksdb_put_cf(r->db, r->synced_writes, r->tables[ROCKS_TABLE_META], name, strlen(name), value.data, value.len,
                   &why);
    return !rocks_take_error(why, error, error_size);
}

long rocks_get_meta(rocks *r, const char *name, void *value, size_t size, char *error, size_t error_size)
{
    char *why = NULL;
    size_t len = 0;
    char *found = rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_META], name, strlen(name), &len, &why);
    if (rocks_take_error(why, error, error_size)) return -1;
    if (!found) return 0;
    if (len > size) len = size;
    memcpy(value, found, len);
    rocksdb_free(found);
    return (long)len;
}

/* The epoch of this process is one more than the last one on disk, also while it cannot be written there. Should
 * another process open the database meanwhile, which the locks are to prevent, it computes the same number: so the row
 * is the epoch and, behind it, random bytes of the process. Programs before 0.2 read and write the epoch alone. */
static bool load_epoch(rocks *r, char *error, size_t error_size)
{
    uint8_t row[8 + ROCKS_STAMP_BYTES];
    long n = rocks_get_meta(r, "epoch", row, sizeof row, error, error_size);
    if (n < 0) return false;
    uint64_t last = n >= 8 ? row_get_be(row, 8) : 0;
    bool is_own = n == sizeof row && last == r->epoch && memcmp(row + 8, r->stamp, ROCKS_STAMP_BYTES) == 0;
    if (r->epoch == 0 && getrandom(r->stamp, sizeof r->stamp, 0) != (ssize_t)sizeof r->stamp) {
        (void)snprintf(error, error_size, "no random bytes for its epoch");
        return false;
    }
    if (r->epoch == 0) r->epoch = last + 1;
    r->fenced = last >= r->epoch && !is_own;
    if (r->fenced) return false;
    if (is_own || r->read_only) return true;
    assert(last < r->epoch);
    row_put_be(row, r->epoch, 8);
    memcpy(row + 8, r->stamp, ROCKS_STAMP_BYTES);
    return rocks_put_meta(r, "epoch", (store_bytes){row, sizeof row}, error, error_size);
}

static bool load_node(rocks *r, char *error, size_t error_size)
{
    uint8_t bytes[16];
    if (r->node[0]) return true;
    long n = rocks_get_meta(r, "node", r->node, ROCKS_NODE_MAX - 1, error, error_size);
    if (n != 0) return n > 0;
    if (r->read_only || getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        (void)snprintf(error, error_size, r->read_only ? "it has no name yet" : "no random bytes for the node's name");
        return false;
    }
    for (int i = 0; i < 16; i++) (void)sprintf(r->node + (size_t)2 * i, "%02x", bytes[i]);
    if (rocks_put_meta(r, "node", (store_bytes){r->node, ROCKS_NODE_MAX - 1}, error, error_size)) return true;
    r->node[0] = 0;
    return false;
}

/* ---- Opening ---- */

typedef enum opening {
    OPENED,
    OPEN_LACKS_SPACE, /* the disk takes no writes, or too few */
    OPEN_REFUSED
} opening;

static bool load_identity(rocks *r, char *error, size_t error_size)
{
    return load_epoch(r, error, error_size) && load_node(r, error, error_size);
}

static opening open_database(rocks *r, bool read_only, char *error, size_t error_size)
{
    char path[FOLDER_PATH_MAX + 16], why[BACKEND_ERROR_MAX] = "", *said = NULL;
    (void)snprintf(path, sizeof path, "%s/journal", r->path);
    if (rocks_tables_open(r, path, read_only, &said)) {
        r->read_only = read_only;
        if (load_identity(r, why, sizeof why)) return OPENED;
        rocks_tables_close(r);
    } else if (!rocks_take_error(said, why, sizeof why)) {
        (void)snprintf(why, sizeof why, "out of memory, or more tables than this program can open");
    }
    if (r->fenced) {
        (void)snprintf(error, error_size, "data folder %s: another process has had it since this one opened it",
                       r->path);
        return OPEN_REFUSED;
    }
    if (strstr(why, "lock hold by") || strstr(why, "While lock file")) {
        (void)fail_in_use(r, folder_user(r->path), error, error_size);
        return OPEN_REFUSED;
    }
    if (!read_only && disk_lacks_space(r, why)) {
        (void)snprintf(error, error_size, "%s", why);
        return OPEN_LACKS_SPACE;
    }
    (void)fail_damaged(r, why, error, error_size);
    return OPEN_REFUSED;
}

/* Writes are refused while the database is open for reading, as they are after a write that has failed. */
static bool open_for_reading(rocks *r, char *error, size_t error_size)
{
    r->failed = true;
    return lock_journal(r, error, error_size) && open_database(r, true, error, error_size) == OPENED;
}

bool rocks_open_locked(rocks *r, char *error, size_t error_size)
{
    r->failed = true;
    return open_database(r, true, error, error_size) == OPENED;
}

/* An opening for writing lacked space: the next one is worth its time only with twice as much room; but the logs cannot
 * need more than their size, and NEED_SPARE_BYTES. */
static void raise_needs(rocks *r)
{
    rocks_synced now;
    uint64_t most = NEED_SPARE_BYTES;
    if (!rocks_synced_measure(&now, r->path)) return;
    for (unsigned i = 0; i < now.count; i++) most += now.files[i].bytes;
    r->needs_bytes = r->needs_bytes == 0 ? NEED_FIRST_BYTES : r->needs_bytes * 2;
    if (r->needs_bytes > most) r->needs_bytes = most;
}

/* The begin of a message to the operator, who has to make room: until then the opening is not tried again. */
static const char *too_little_room_text(const rocks *r, char text[TEXT_BYTES])
{
    (void)snprintf(text, TEXT_BYTES,
                   "there is too little room to open the journal for writing, which is tried again when %llu KiB are "
                   "free: ",
                   (unsigned long long)(r->needs_bytes + 1023) / 1024);
    return text;
}

static opening open_for_writing(rocks *r, char *error, size_t error_size)
{
    opening got = open_database(r, false, error, error_size);
    if (got == OPEN_LACKS_SPACE) raise_needs(r);
    if (got != OPENED) return got;
    r->failed = false;
    r->needs_bytes = 0;
    rocks_unlock_folder(r); /* RocksDB has a lock of its own */
    rocks_save_all_synced(r);
    return OPENED;
}

/* RocksDB refuses writes until it is opened anew. Until the disk takes writes again, the old opening still answers
 * reads: so it is closed only then. */
bool rocks_reopen(backend *b, char *error, size_t error_size)
{
    rocks *r = rocks_of(b);
    char room[TEXT_BYTES], why[BACKEND_ERROR_MAX], ignored[BACKEND_ERROR_MAX];
    *error = 0;
    if (!folder_writable(r->path, r->needs_bytes)) return false;
    if (pthread_mutex_trylock(&r->slow) != 0) {
        (void)snprintf(error, error_size, "the journal is opened again when the backup, or compaction, is over");
        return false;
    }
    (void)pthread_rwlock_wrlock(&r->lock);
    bool was_read_only = r->read_only;
    rocks_tables_close(r);
    if (__atomic_exchange_n(&r->met_damage, false, __ATOMIC_RELAXED)) {
        rocksdb_options_set_enable_blob_gc(r->options, 0);
        rocksdb_options_set_enable_blob_gc(r->segment_options, 0);
        fprintf(stderr, "stepwell: journal: a value is damaged: values are not moved any more until the next start\n");
    }
    opening got = open_for_writing(r, why, sizeof why);
    bool ok = got == OPENED;
    if (!ok)
        (void)snprintf(error, error_size, "%s%s", got == OPEN_LACKS_SPACE ? too_little_room_text(r, room) : "", why);
    /* If this fails too, nothing can be read until the next try. */
    if (!ok && !r->fenced) (void)open_for_reading(r, ignored, sizeof ignored);
    assert(!ok || (r->db && !r->failed && !r->read_only));
    if (ok && was_read_only) folder_mark_used(r->path);
    (void)pthread_rwlock_unlock(&r->lock);
    (void)pthread_mutex_unlock(&r->slow);
    if (ok) rocks_start_trimmer(r);
    return ok;
}

/* Opens for reading alone; false if the folder has no journal yet. `reason`: why the folder takes no writes. */
static bool open_unwritable(rocks *r, const char *reason, char *error, size_t error_size)
{
    char current[FOLDER_PATH_MAX + 16];
    (void)snprintf(current, sizeof current, "%s/journal/CURRENT", r->path);
    if (access(current, F_OK) != 0) return fail_unwritable(r, reason, error, error_size);
    if (!open_for_reading(r, error, error_size)) return false;
    fprintf(
        stderr,
        "stepwell: data folder %s takes no writes (%s): the journal is open for reading alone, and no run begins or "
        "goes on before it can be written, which is tried again by itself\n",
        r->path, reason);
    return true;
}

bool rocks_open_first(rocks *r, char *error, size_t error_size)
{
    char room[TEXT_BYTES], reason[BACKEND_ERROR_MAX];
    if (!lock_folder(r, LOCK_EX, error, error_size)) return false;
    if (!folder_writable(r->path, 0)) {
        int number = errno;
        if (folder_lacks_space(number)) return open_unwritable(r, strerror(number), error, error_size);
        return fail_unwritable(r, strerror(number), error, error_size);
    }
    opening got = open_for_writing(r, error, error_size);
    if (got != OPEN_LACKS_SPACE) return got == OPENED;
    (void)snprintf(reason, sizeof reason, "%s%s", too_little_room_text(r, room), error);
    return open_unwritable(r, reason, error, error_size);
}
