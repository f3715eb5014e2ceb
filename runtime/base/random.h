/* random: bits nobody can guess, from the kernel, taken in blocks so that a run's id costs no system call. Each thread
 * owns a block; bytes that were given are wiped from it. */
#ifndef RUNTIME_BASE_RANDOM_H
#define RUNTIME_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills to[0..len), at most 256 bytes. Ends the process if the kernel gives none: no id or token would be safe. From
 * any thread. */
void random_bytes(void *to, size_t len);
uint64_t random_u64(void);

#endif
