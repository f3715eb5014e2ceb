/* folder: the data folder round the database: its format number, the signing secret, who uses it. */
#ifndef STORAGE_FOLDER_H
#define STORAGE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FOLDER_FORMAT = 1, FOLDER_SECRET_BYTES = 32, FOLDER_PATH_MAX = 4096 };

/* Makes the folder if it is not there, checks that it is ours, of a format that we know, and writable. False with a
 * message that says what to change. */
bool folder_prepare(const char *path, char *error, size_t error_size);

/* Reads the secret, or makes it. */
bool folder_secret(const char *path, uint8_t secret[FOLDER_SECRET_BYTES], char *error, size_t error_size);

/* Leaves our process id there, for people and for the next process that finds the folder in use. */
void folder_mark_used(const char *path);
long folder_user(const char *path); /* process id of the last who marked it, 0 if unknown */

/* Whether the last process that used the folder ended as it should: until folder_mark_end(path, true) it counts as one
 * that did not. True also if nothing is known, of a folder of 0.1.0. */
bool folder_ended_well(const char *path);
void folder_mark_end(const char *path, bool ended);

/* The small files that belong to the journal, into another folder. False: errno tells why. */
bool folder_copy(const char *from, const char *to);

/* Makes the entry of `path` in its parent folder durable. False: errno tells why not. */
bool folder_sync_parent(const char *path);

/* True when a file of some size can be written and synced there. */
bool folder_writable(const char *path);

#endif
