/* rocks_trimmer: a thread that frees the disk space of deleted database files piece by piece. When RocksDB deletes a
 * file, the file system frees all of its space at once, and a commit's sync waits meanwhile. The trimmer has the files
 * open, so a deleted file keeps its space until the trimmer has cut the last piece off. Owns its thread and its
 * descriptors. Cuts only what no folder names any more, so no opening, backup or crash can ever find a file that was
 * cut; and only what nobody else has open, so no reader misses what is cut off. */
#ifndef STORAGE_ROCKS_ROCKS_TRIMMER_H
#define STORAGE_ROCKS_ROCKS_TRIMMER_H

typedef struct rocks_trimmer rocks_trimmer;

/* Starts to look after the database in the folder `journal`. NULL: the process may have no thread, file or inotify
 * instance more, or the file system is none of those whose count of a file's names can be relied on; then deleted files
 * are freed at once. */
rocks_trimmer *rocks_trimmer_start(const char *journal);
/* Ends the thread and closes the files: the kernel frees what was not cut yet. NULL is nothing. */
void rocks_trimmer_stop(rocks_trimmer *t);

#endif
