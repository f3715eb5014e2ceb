/* folder: the data folder round the database: its format number, the signing secret, who uses it. */
#ifndef STORAGE_FOLDER_H
#define STORAGE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FOLDER_FORMAT = 1, FOLDER_SECRET_BYTES = 32, FOLDER_PATH_MAX = 4096 };

/* Makes the folder if it is not there, checks that it is ours and of a format that we know. False with a message that
 * says what to change. */
bool folder_prepare(const char *path, char *error, size_t error_size);

/* Reads the secret, or makes it. */
bool folder_secret(const char *path, uint8_t secret[FOLDER_SECRET_BYTES], char *error, size_t error_size);

/* Leaves our process id there, for people and for the next process that finds the folder in use; over the last one's
 * where there is no room for a new file. */
void folder_mark_used(const char *path);
long folder_user(const char *path); /* process id of the last who marked it, 0 if unknown */

/* How the last process that used the folder ended. */
typedef enum folder_end {
    FOLDER_ENDED, /* as it should; also if nothing is known, as of a folder of 0.1.0 */
    FOLDER_IN_USE /* it died while it served, or drained */
} folder_end;

/* *left, malloc'd, is what it left for the next process: "" mostly, NULL when memory is out. */
folder_end folder_read_end(const char *path, char **left);
/* How a process that opens the folder next is to find that this one ended; `left` is for it. False: errno tells why. */
bool folder_mark_end(const char *path, folder_end end, const char *left, size_t len);
/* Opens what was marked last, for adding to it: what is written there outlives this process, not the machine. A
 * descriptor, or -1 with errno. */
int folder_open_end(const char *path);

/* A small file of the folder, whole or not at all: bytes read, or -1 with errno; false with errno. */
ssize_t folder_read(const char *path, const char *name, char *to, size_t size);
bool folder_write(const char *path, const char *name, const char *data, size_t len);

/* The small files that belong to the journal, into another folder. False: errno tells why. */
bool folder_copy(const char *from, const char *to);

/* Makes the entry of `path` in its parent folder durable. False: errno tells why not. */
bool folder_sync_parent(const char *path);

/* True when a file of some size can be written and synced there, and one of `bytes` has room; else errno tells why. */
bool folder_writable(const char *path, uint64_t bytes);
/* Such an errno says that the file system takes no writes at present: nothing is wrong with the folder. */
bool folder_lacks_space(int reason);

#endif
