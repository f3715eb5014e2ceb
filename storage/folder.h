/* folder: the data folder around the database: its format number, the signing secret, which process uses it and how the
 * last one ended. Owns the small files there, but for those of the runtime; never the database. */
#ifndef STORAGE_FOLDER_H
#define STORAGE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FOLDER_FORMAT = 1, FOLDER_SECRET_BYTES = 32, FOLDER_PATH_MAX = 4096 };

/* Makes the folder if it is not there, and checks that its format is one that this program knows. False with a message
 * that says what to change. */
bool folder_prepare(const char *path, char *error, size_t error_size);

/* Checks that the folder is there and its format is known, and changes nothing. False with a message. */
bool folder_check(const char *path, char *error, size_t error_size);

/* Reads the secret, or makes it. False with a message that says what to change. */
bool folder_secret(const char *path, uint8_t secret[FOLDER_SECRET_BYTES], char *error, size_t error_size);

/* Writes this process's id to the file `pid`, for people and for the next process that finds the folder in use. Where
 * there is no room for a new file, the old one is overwritten. */
void folder_mark_used(const char *path);
long folder_user(const char *path); /* the process id in the file `pid`, 0 if unknown */

/* How the last process that used the folder ended. */
typedef enum folder_end {
    FOLDER_ENDED, /* as it should; also if nothing is known, as in a folder of 0.1.0 */
    FOLDER_IN_USE /* it died while it served or drained */
} folder_end;

/* Reads how the last process ended. *left, malloc'd, is what it left for the next one: "" mostly, NULL when memory is
 * out. */
folder_end folder_read_end(const char *path, char **left);
/* Writes how the next process is to find that this one ended, and behind that `left`, for the next one. False: errno
 * tells why. */
bool folder_mark_end(const char *path, folder_end end, const char *left, size_t len);
/* Opens the file of folder_mark_end, for appending to it: what is written there outlives this process, but not a power
 * loss. Returns a descriptor, or -1 with errno. */
int folder_open_end(const char *path);

/* Reads at most `size` bytes of the file `name` in the folder. Returns how many, or -1 with errno. */
ssize_t folder_read(const char *path, const char *name, char *to, size_t size);
/* Replaces the file `name` in the folder, synced: after a crash the new one is there whole, or the old one. False:
 * errno tells why. */
bool folder_write(const char *path, const char *name, const char *data, size_t len);

/* Copies the small files that belong to the journal into another folder. False: errno tells why. */
bool folder_copy(const char *from, const char *to);

/* Removes the folder with all that is in it. False: errno tells why; a part of it may be left. */
bool folder_remove(const char *path);

/* Makes the entry of `path` in its parent folder durable. False: errno tells why not. */
bool folder_sync_parent(const char *path);

/* True: a file of some size could be written and synced in the folder just now, and one of `bytes` has room. False:
 * errno tells why. */
bool folder_writable(const char *path, uint64_t bytes);
/* True of an errno that says: the file system takes no writes at present, but nothing is wrong with the folder. */
bool folder_lacks_space(int reason);

#endif
